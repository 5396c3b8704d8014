import { join } from 'node:path';
import type { Warning } from '../../contract/result.ts';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { walOffsetText } from '../../core/wal/wal-offset.ts';
import { ping } from '../../io/rstmdb/server.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { withServer } from '../server/rstmdb-connection.ts';
import { showsSameState } from '../state/float-drift.ts';
import { liveDigest } from '../state/live-digest.ts';
import { readPlan } from './plan-restore.ts';
import { plannedFiles } from './planned-files.ts';

export type VerifyLiveInput = { database: string; repository: string; planKey: string };

/**
 * Asks the restored server over the wire: it answers, takes the token, and shows the backup's state. Once clients
 * write, its state is no longer the backup's: then the machines are compared, and the result says so.
 * Fails: digest-different, server-unreachable, server-refused. Twice: the same.
 */
export const verifyLive =
  (deps: ActivityDeps) =>
  async (input: VerifyLiveInput, run: RunPort): Promise<{ warnings: Warning[] }> => {
    const settings = databaseSettings(deps.config, input.database);
    const plan = await readPlan(await deps.openRepository(input.repository), input.planKey);
    const { timing } = deps.config;
    await withServer(settings.server, { timing, signal: run.signal }, ping);
    const live = await liveDigest(settings, timing, run.signal);
    const { end } = summariseExtents(plan.segments);
    const untouched = live.quiescent && live.latestOffset !== undefined && walOffsetText(live.latestOffset) === end;
    const files = plannedFiles(plan, join(settings.dataDir, 'wal'));
    if (untouched && live.stateDigest !== plan.stateDigest && !(await showsSameState({ settings, timing }, files, run))) {
      throw new RstowError('digest-different', `the restored server shows the state ${live.stateDigest}, not ${plan.stateDigest}`, {
        details: { found: live.stateDigest, promised: plan.stateDigest },
      });
    }
    if (live.machines < plan.machines) {
      throw new RstowError('digest-different', `the restored server shows ${live.machines} machines, not ${plan.machines}`);
    }
    return { warnings: untouched ? [] : [writtenMeanwhile] };
  };

const writtenMeanwhile: Warning = {
  code: 'written-meanwhile',
  message: 'clients wrote before the restored state could be compared over the wire; the rehearsal and the replay had compared it',
};
