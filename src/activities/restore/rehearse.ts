import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import type { RehearsalOutcome } from '../../contract/restore.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { removeTree, repeatTree, treeStamp } from '../../io/data-directory/file-tree.ts';
import { restorePaths } from '../../io/data-directory/restores.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { openDatabase, type Server } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { memoryShortage, missingServerProgram } from '../../database/scratch-needs.ts';
import { bootScratchServer, endScratchServer, endScratchServers, type ScratchPlace } from '../../database/scratch-server.ts';
import { readLiveDigest, showsSameState } from '../../replay/live-digest.ts';
import { restoredFiles, unfinishedComparison } from './verify-live.ts';
import { type PlanInput, readPlan } from './find-backup.ts';

export type Rehearsed = { rehearsal: RehearsalOutcome; warnings: Warning[] };

/**
 * Boots a real server on hard links of the restored files, on a private port, and compares the state that it shows. It
 * gets no write; the files are proved unchanged. A server that boots, and then stops answering, is a warning: the replay
 * has compared the state already; so is a missing server program, where no database's own data are replaced.
 * Fails: server-program-missing, rehearsal-failed, digest-different, not-enough-memory, not-enough-space,
 * port-taken. Twice: begins anew, in a place of its own.
 */
export const rehearse =
  (deps: ActivityDeps) =>
  async (input: PlanInput, run: RunPort): Promise<Rehearsed> => {
    const database = openDatabase(deps, input.database);
    const { policy } = database.settings.rehearsal;
    if (policy === 'off') return { rehearsal: 'off', warnings: [] };
    const plan = await readPlan(deps, input);
    const missing = await missingServerProgram(database);
    if (missing !== undefined) {
      if (plan.inPlace) throw missing;
      return { rehearsal: 'skipped', warnings: [{ code: missing.code, message: missing.message }] };
    }
    const { rehearsal: folder, wal } = restorePaths(plan.dataDir, run.runId);
    const { extents } = await restoredFiles(plan, wal);
    const tooBig = await memoryShortage(
      database,
      extents.reduce((sum, { endBytes }) => sum + endBytes, 0),
    );
    if (tooBig !== undefined) {
      if (policy === 'required') throw tooBig;
      return { rehearsal: 'skipped', warnings: [{ code: tooBig.code, message: tooBig.message }] };
    }
    const attempt = randomUUID();
    const place: ScratchPlace = { database, dataDir: join(folder, attempt), runId: run.runId, attempt };
    // Whatever an earlier attempt left: its server, then its folder.
    await endScratchServers({ ...place, dataDir: folder });
    await removeTree(plan.dataDir, folder);
    return bootOnce({ place, plan, run });
  };

type Boot = { place: ScratchPlace; plan: RestorePlan; run: RunPort };

async function bootOnce(boot: Boot): Promise<Rehearsed> {
  const { place, plan, run } = boot;
  const { wal } = restorePaths(plan.dataDir, run.runId);
  try {
    await repeatTree(wal, join(place.dataDir, 'wal'));
    const before = await treeStamp(wal);
    run.report({ rehearsing: wal });
    const server = await bootScratchServer(place, run.signal);
    const unfinished = await requireSame(boot, server);
    await server.service.stop();
    if ((await treeStamp(wal)) !== before) throw new RstowError('rehearsal-failed', 'the rehearsal changed the restored files');
    return unfinished === undefined ? { rehearsal: 'passed', warnings: [] } : { rehearsal: 'unfinished', warnings: [unfinished] };
  } catch (error) {
    throw rehearsalFailure(error);
  } finally {
    await endScratchServer(place);
    await removeTree(plan.dataDir, place.dataDir);
  }
}

/** Gives a warning where the server stopped answering before all was compared. Fails: digest-different. */
async function requireSame({ plan, run }: Boot, server: Server): Promise<Warning | undefined> {
  const { wal: walDir } = restorePaths(plan.dataDir, run.runId);
  return unfinishedComparison(async () => {
    const { stateDigest } = await readLiveDigest(server, run);
    if (stateDigest === plan.stateDigest || (await showsSameState(server, await restoredFiles(plan, walDir), run))) return undefined;
    throw new RstowError('digest-different', `a server on the restored files shows the state ${stateDigest}, not ${plan.stateDigest}`, {
      details: { found: stateDigest, promised: plan.stateDigest },
    });
  });
}

/** The server's own failure to start is what a rehearsal is for. */
function rehearsalFailure(error: unknown): unknown {
  if (!(error instanceof RstowError) || error.code !== 'service-start-failed') return error;
  return new RstowError('rehearsal-failed', error.message, { details: error.details, cause: error });
}
