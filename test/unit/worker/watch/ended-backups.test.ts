import { expect, test } from 'vitest';
import type { EventFact } from '../../../../src/activities/activity-deps.ts';
import { endedBackupRecorder } from '../../../../src/worker/watch/ended-backups.ts';
import { DATABASE } from '../../activities/scene.ts';

const MINUTE_MS = 60_000;

test('records a run that failed while Temporal could not be asked for an hour, once, whatever this host’s clock says', async () => {
  const run = (runId: string, isDone: boolean, endedAtMs: number) => ({ workflowId: runId, runId, backupKind: 'hot', isDone, endedAtMs });
  const runs = [run('before', true, 100 * MINUTE_MS)];
  const recorded: EventFact[] = [];
  const record = endedBackupRecorder(
    {
      newest: async () => Promise.resolve(runs.slice(-1)),
      since: async (_database, sinceMs) => Promise.resolve(runs.filter(({ endedAtMs }) => endedAtMs > sinceMs)),
    },
    { record: (fact) => void recorded.push(fact) },
  );
  await record(DATABASE);
  runs.push(run('meanwhile', false, 110 * MINUTE_MS), run('after', true, 160 * MINUTE_MS));
  await record(DATABASE);
  await record(DATABASE);
  expect(recorded).toMatchObject([
    { runId: 'before', isDone: true, isNew: false },
    { runId: 'meanwhile', isDone: false, isNew: true },
    { runId: 'after', isDone: true, isNew: true },
  ]);
});
