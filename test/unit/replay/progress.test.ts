import { expect, test } from 'vitest';
import { byteProgress, type StepFacts } from '../../../src/replay/progress.ts';

test('shows how much is done of how much, and never more than all', () => {
  let shown: StepFacts = {};
  const progress = byteProgress({ report: (facts) => (shown = facts) }, 100);
  expect(shown).toMatchObject({ doneBytes: 0, totalBytes: 100 });
  progress.doing('0000000000000001.wal');
  progress.add(60);
  expect(shown).toEqual({ doing: '0000000000000001.wal', doneBytes: 60, totalBytes: 100 });
  progress.add(60);
  expect(shown.doneBytes).toBe(100);
});
