import { expect, it } from 'vitest';
import { type Output, printResult } from '../../../src/cli/output.ts';

function outputInto(notes: string[]): Output {
  return { result: () => undefined, note: (line: string) => notes.push(line) } as unknown as Output;
}

it('warns of what the verdict does not say already', () => {
  const notes: string[] = [];
  const gap = { code: 'compaction-on', sentence: 'compaction is on', remedy: 'turn it off' };
  const warnings = [
    { code: 'compaction-on', message: 'compaction is on: turn it off' },
    { code: 'owner-outdated', message: 'the former owner still answers' },
  ];
  const result = { outcome: 'warnings' as const, runId: 'run', database: 'orders', warnings, protection: { gaps: [gap] } };
  expect(printResult(outputInto(notes), () => [], result)).toBe(3);
  expect(notes).toEqual(['warning: owner-outdated: the former owner still answers']);
});

it('does not say as a warning what the result has said in the same words', () => {
  const notes: string[] = [];
  const warnings = [{ code: 'not-needed', message: 'the database is up' }];
  const result = { outcome: 'not-needed' as const, runId: 'run', database: 'orders', warnings };
  expect(printResult(outputInto(notes), () => ['not-needed: the database is up'], result)).toBe(0);
  expect(notes).toEqual([]);
});
