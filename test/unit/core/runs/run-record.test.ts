import { expect, it } from 'vitest';
import { isWanted, lastOfEachType, mergedRecords, type RunRecord } from '../../../../src/core/runs/run-record.ts';

const run = (runId: string, changes: Partial<RunRecord> = {}): RunRecord => ({
  ...{ runId, type: 'hotBackup', database: 'orders', startedAtMs: 1000, endedAtMs: 2000, state: 'done', sources: ['temporal'] },
  ...changes,
});

it('makes one record of what Temporal and the repository say of a run, and keeps what only one of them knows', () => {
  const merged = mergedRecords([
    run('a', { who: 'ada' }),
    run('a', { label: 'L', why: 'a release', sources: ['repository'] }),
    run('old', { startedAtMs: 1, sources: ['repository'] }),
  ]);
  expect(merged).toMatchObject([
    { runId: 'a', who: 'ada', why: 'a release', label: 'L', sources: ['temporal', 'repository'] },
    { runId: 'old', sources: ['repository'] },
  ]);
});

it('makes one record of two objects of one run', () => {
  expect(mergedRecords([run('a'), run('a')])).toHaveLength(1);
});

it('counts as failed what failed, was cancelled or was ended from outside, and nothing that runs or came to its end', () => {
  const isFailed = (state: string): boolean => isWanted(run('a', { state }), { isFailedOnly: true });
  expect(['failed', 'canceled', 'terminated', 'timed_out'].every(isFailed)).toBe(true);
  expect(['running', 'done', 'warnings', 'skipped', 'not-needed', 'restarted'].some(isFailed)).toBe(false);
});

it('names of each type the run that ended last, and none that is open', () => {
  const last = lastOfEachType([
    run('open', { endedAtMs: undefined, state: 'running' }),
    run('newer', { endedAtMs: 9000 }),
    run('older'),
    run('restore', { type: 'restore' }),
  ]);
  expect(last.map(({ runId }) => runId)).toEqual(['newer', 'restore']);
});
