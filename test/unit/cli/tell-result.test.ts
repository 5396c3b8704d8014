import { expect, it } from 'vitest';
import type { Output } from '../../../src/cli/output.ts';
import { tellResult } from '../../../src/cli/tell-result.ts';

it('warns of what the verdict does not say already', () => {
  const told: string[] = [];
  const output = { result: () => undefined, note: (line: string) => told.push(line) } as unknown as Output;
  const gap = { code: 'compaction-on', sentence: 'compaction is on', remedy: 'turn it off' };
  const warnings = [
    { code: 'compaction-on', message: 'compaction is on: turn it off' },
    { code: 'owner-outdated', message: 'the former owner still answers' },
  ];
  const result = { outcome: 'warnings' as const, runId: 'run', database: 'orders', warnings, protection: { gaps: [gap] } };
  expect(tellResult(output, () => [], result)).toBe(3);
  expect(told).toEqual(['warning: owner-outdated: the former owner still answers']);
});
