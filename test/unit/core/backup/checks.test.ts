import { describe, expect, it } from 'vitest';
import { type CheckFact, type CheckLevel, summariseChecks } from '../../../../src/core/backup/checks.ts';

const held = (level: CheckLevel, atMs: number): CheckFact => ({ level, atMs });
const failed = (level: CheckLevel, atMs: number): CheckFact => ({
  level,
  atMs,
  failure: { code: 'damaged-object', sentence: `at ${atMs}` },
});

describe('summariseChecks', () => {
  it('knows nothing of a backup that was never checked', () => {
    expect(summariseChecks([])).toEqual({});
  });

  it('takes the deepest check that held, and of two equal ones the later', () => {
    expect(summariseChecks([held('replay', 1), held('replay', 3), held('checksums', 9)])).toEqual({
      verified: { level: 'replay', atMs: 3 },
    });
  });

  it('lets a failure stand although an earlier or a shallower check held', () => {
    const summary = summariseChecks([held('replay', 1), failed('records', 5), held('checksums', 9)]);
    expect(summary.failed).toEqual({ code: 'damaged-object', sentence: 'at 5', atMs: 5 });
  });

  it.each<[CheckLevel]>([['records'], ['replay']])('lifts a failure where a later check of %s held', (level) => {
    expect(summariseChecks([failed('records', 5), held(level, 6)])).toEqual({ verified: { level, atMs: 6 } });
  });

  it('tells the newest of several failures', () => {
    expect(summariseChecks([failed('replay', 7), failed('checksums', 2)]).failed?.atMs).toBe(7);
  });
});

it('lifts a failure when the object that it names was stored again later, and no other', () => {
  const failed = { level: 'replay' as const, atMs: 5, failure: { code: 'damaged-object', sentence: 'a piece is damaged', key: 'a' } };
  const repair = { level: 'checksums' as const, atMs: 6, repairedKeys: ['a'] };
  expect(summariseChecks([failed, repair])).toEqual({});
  expect(summariseChecks([failed, { ...repair, atMs: 4 }]).failed?.code).toBe('damaged-object');
  expect(summariseChecks([failed, { ...repair, repairedKeys: ['b'] }]).failed?.code).toBe('damaged-object');
});
