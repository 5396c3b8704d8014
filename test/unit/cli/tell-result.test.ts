import { expect, it } from 'vitest';
import type { Output } from '../../../src/cli/output.ts';
import { tellResult } from '../../../src/cli/tell-result.ts';

function tellInto(told: string[]): Output {
  return { result: () => undefined, note: (line: string) => told.push(line) } as unknown as Output;
}

it('warns of what the verdict does not say already', () => {
  const told: string[] = [];
  const gap = { code: 'compaction-on', sentence: 'compaction is on', remedy: 'turn it off' };
  const warnings = [
    { code: 'compaction-on', message: 'compaction is on: turn it off' },
    { code: 'owner-outdated', message: 'the former owner still answers' },
  ];
  const result = { outcome: 'warnings' as const, runId: 'run', database: 'orders', warnings, protection: { gaps: [gap] } };
  expect(tellResult(tellInto(told), () => [], result)).toBe(3);
  expect(told).toEqual(['warning: owner-outdated: the former owner still answers']);
});

it('does not say as a warning what the result has said in the same words', () => {
  const told: string[] = [];
  const warnings = [{ code: 'not-needed', message: 'the database is up' }];
  const result = { outcome: 'not-needed' as const, runId: 'run', database: 'orders', warnings };
  expect(tellResult(tellInto(told), () => ['not-needed: the database is up'], result)).toBe(0);
  expect(told).toEqual([]);
});
