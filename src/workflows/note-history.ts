import { ApplicationFailure, CancellationScope } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import { historyUnnoted } from '../contract/restore.ts';
import type { Warning } from '../contract/result.ts';
import { step } from './activity-proxies.ts';
import type { Run } from './run.ts';
import { runFailure } from './run-failure.ts';

/**
 * Says in the repository which timeline the database goes on with: until the new history has a backup, nothing else does.
 * Also after a cancellation; a failure is a warning, for the data are in place by now.
 */
export async function noteHistory(run: Run, place: Place, timeline: string): Promise<Warning[]> {
  const { database } = run;
  try {
    await CancellationScope.nonCancellable(() => step(place).noteHistory({ database, timeline }));
    return [];
  } catch (error) {
    const failure = runFailure(error);
    return [historyUnnoted(timeline, failure instanceof ApplicationFailure ? failure.message : '')];
  }
}
