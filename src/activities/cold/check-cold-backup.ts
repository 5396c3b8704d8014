import { openDatabase } from '../../database/database.ts';
import { isDown } from '../../database/server-start.ts';
import { planStop } from '../../io/data-directory/swap.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkedRepository, checkedSource } from '../backup/prepare-backup.ts';
import { requireManaged, requireOneWriter } from '../restore/restore-target.ts';
import type { RunPort } from '../run-port.ts';

type CheckColdBackupInput = { database: string; repository?: string | undefined; mark?: string | undefined };

/**
 * Whether a cold backup can begin, and whether there is a server to be stopped for it. Stops nothing. Fails: as `checkBackup`, if the server
 * runs; service-unmanaged, service-stop-failed (another program writes in the log), data-directory-missing, data-directory-unsupported.
 * Twice: checked anew.
 */
export const checkColdBackup =
  (deps: ActivityDeps) =>
  async ({ database: name, repository, mark }: CheckColdBackupInput, run: RunPort): Promise<{ isRunning: boolean }> => {
    const database = openDatabase(deps, name);
    const checking = { repository, mark, run };
    await planStop(database.dataDir, run.runId);
    if (await isDown(database.server)) {
      await checkedRepository(deps, name, checking);
      return { isRunning: false };
    }
    await checkedSource(deps, database, checking);
    requireManaged(database);
    await requireOneWriter(database);
    return { isRunning: true };
  };
