import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import { type FirstBackup, noBackupYet } from '../contract/hot-backup.ts';
import type { Warning } from '../contract/result.ts';
import { backUp } from './hot-backup.ts';
import type { Run } from './run.ts';
import { runFailure } from './run-failure.ts';

/**
 * The first backup of a history that has just begun. Its failure, or an end that was asked for meanwhile, is a warning,
 * for the data are in place by now.
 */
export async function firstBackup(run: Run, place: Place, repository: string): Promise<{ firstBackup?: FirstBackup; warnings: Warning[] }> {
  run.phase('taking the first backup of the new history');
  try {
    const { label, piecesStored, bytesStored, warnings } = await backUp({ database: run.database, repository }, run, place);
    if (label === undefined || piecesStored === undefined || bytesStored === undefined) return { warnings };
    return { firstBackup: { label, piecesStored, bytesStored }, warnings };
  } catch (error) {
    return { warnings: [withoutBackup(run.database, error)] };
  }
}

function withoutBackup(database: string, error: unknown): Warning {
  const failure = runFailure(error);
  if (isCancellation(error) || !(failure instanceof ApplicationFailure)) return { code: 'cancelled', message: noBackupYet(database) };
  return { code: failure.type ?? 'failed', message: `${noBackupYet(database)}. ${failure.message}` };
}
