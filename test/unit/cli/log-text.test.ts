import { expect, it } from 'vitest';
import { namedText, recordText } from '../../../src/cli/log-text.ts';
import { pointFacts } from '../../../src/cli/point-text.ts';
import type { LogRecord } from '../../../src/core/recovery/log-record.ts';
import type { WalOffsetText } from '../../../src/core/wal/wal-offset.ts';

const DELETION: LogRecord = { offset: '100' as WalOffsetText, end: '160' as WalOffsetText, sequence: 7, type: 'delete_instance' };

it('prints no name as a command to the terminal, nor on two lines', () => {
  const instance = 'ü\u001b[2J\n\u0085\u2028x';
  expect(recordText({ ...DELETION, instance })).toBe('ü\\u001b[2J\\u000a\\u0085\\u2028x deleted, record 7 at offset 100');
  expect(namedText({ count: 2, first: ['a\r', 'b'] }, 'instance')).toBe('2 instances: a\\u000d, b');
});

it('says between which times a point was written, also if nothing was written for a while', () => {
  const [tenMs, elevenMs] = [Date.UTC(2026, 10, 24, 10), Date.UTC(2026, 10, 24, 11)];
  const written = (sinceMs: number | undefined, untilMs: number) => pointFacts({ end: '100', sinceMs, untilMs })[1]?.[1];
  expect(written(tenMs, elevenMs)).toBe('between 2026-11-24 10:00:00Z and 2026-11-24 11:00:00Z');
  expect(written(undefined, elevenMs)).toBe('between the beginning and 2026-11-24 11:00:00Z');
  expect(written(elevenMs, tenMs)).toBe('by 2026-11-24 10:00:00Z; nothing more until 2026-11-24 11:00:00Z');
});
