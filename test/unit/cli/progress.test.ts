import { expect, test } from 'vitest';
import { progressText } from '../../../src/cli/progress.ts';

const NOW_MS = 1_000_000;

test('shows what is done of how much, how fast, and how long the rest takes', () => {
  const facts = { doing: 'a.wal', doneBytes: 5_000_000, totalBytes: 20_000_000 };
  const now = { step: 'stage wal', attempt: 1, host: 'db1 (17@host)', facts };
  const since = { step: 'stage wal', doneBytes: 1_000_000, seenAtMs: NOW_MS - 2000 };
  expect(progressText(now, undefined, NOW_MS)).toBe('stage wal · 5.0 MB of 20.0 MB (25 %) · on db1 · a.wal');
  expect(progressText(now, since, NOW_MS)).toBe('stage wal · 5.0 MB of 20.0 MB (25 %) · 2.0 MB/s · 8 s left · on db1 · a.wal');
  const small = { doneBytes: 0, totalBytes: 0 };
  expect(progressText({ ...now, facts: small }, since, NOW_MS)).toBe('stage wal · 0 B · on db1');
});

test('says for how long nothing was heard of a step that should be at work, and when one that failed is tried again', () => {
  const step = { step: 'stage wal', attempt: 2, facts: {} };
  expect(progressText({ ...step, heardAtMs: NOW_MS - 900 }, undefined, NOW_MS)).toBe('stage wal · attempt 2');
  expect(progressText({ ...step, heardAtMs: NOW_MS - 7000 }, undefined, NOW_MS)).toContain('nothing heard for 7 s');
  expect(progressText({ ...step, nextTryAtMs: NOW_MS + 4000 }, undefined, NOW_MS)).toBe('stage wal · attempt 2 · next try in 4 s');
});
