import { join } from 'node:path';
import type { DatabaseConfig } from '../config/agent-config.ts';
import type { RestorePlan } from '../config/repository-json/restore-plan.ts';
import type { RehearsalOutcome } from '../contract/restore.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { hardLinkTree, removeTree } from '../io/data-directory/file-tree.ts';
import { restorePaths } from '../io/data-directory/staging.ts';
import { treeStamp } from '../io/data-directory/tree-stamp.ts';
import { endHolders } from '../io/service/end-holders.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { databaseSettings } from './database-settings.ts';
import { showsSameState } from './float-drift.ts';
import { liveDigest } from './live-digest.ts';
import { serviceOf, startServer } from './managed-service.ts';
import { memoryShortage } from './memory-check.ts';
import { readPlan } from './plan-restore.ts';
import { plannedFiles } from './planned-files.ts';
import type { RunPort } from './run-port.ts';
import { scratchServer } from './scratch-server.ts';

export type RehearseInput = { database: string; repository: string; planKey: string };
export type Rehearsed = { rehearsal: RehearsalOutcome; warnings: { code: string; message: string }[] };

/**
 * Boots a real server on hard links of the restored files, on a private port, and compares the state that it shows. It
 * gets no write; the files are proved unchanged. Fails: rehearsal-failed, not-enough-memory. Twice: begins anew.
 */
export const rehearse =
  (deps: ActivityDeps) =>
  async (input: RehearseInput, run: RunPort): Promise<Rehearsed> => {
    const settings = databaseSettings(deps.config, input.database);
    const { policy } = settings.rehearsal;
    if (policy === 'off') return { rehearsal: 'off', warnings: [] };
    const plan = await readPlan(await deps.openRepository(input.repository), input.planKey);
    const tooBig = await memoryShortage(plan.segments.reduce((sum, segment) => sum + segment.endBytes, 0));
    if (tooBig !== undefined) {
      if (policy === 'required') throw tooBig;
      return { rehearsal: 'skipped', warnings: [{ code: tooBig.code, message: tooBig.message }] };
    }
    const scratch = await scratchServer(settings, restorePaths(plan.dataDir, run.runId).rehearsal);
    await bootOnce(deps, { settings: scratch, plan, run });
    return { rehearsal: 'passed', warnings: [] };
  };

type Boot = { settings: DatabaseConfig; plan: RestorePlan; run: RunPort };

async function bootOnce(deps: ActivityDeps, boot: Boot): Promise<void> {
  const { settings, plan, run } = boot;
  const { wal, rehearsal } = restorePaths(plan.dataDir, run.runId);
  await clear(plan.dataDir, rehearsal);
  await hardLinkTree(wal, join(rehearsal, 'wal'));
  const before = await treeStamp(wal);
  try {
    run.report({ rehearsing: settings.server.address });
    await startServer(settings, deps.config.timing, run.signal);
    await requireSame(deps, boot, wal);
    await serviceOf(settings).stop();
  } catch (error) {
    throw rehearsalFailure(error);
  } finally {
    await clear(plan.dataDir, rehearsal);
  }
  if ((await treeStamp(wal)) !== before) throw new RstowError('rehearsal-failed', 'the rehearsal changed the restored files');
}

/** Whatever an earlier attempt left: its server, then its folder. */
async function clear(dataDir: string, rehearsal: string): Promise<void> {
  await endHolders(rehearsal, { graceMs: 0 });
  await removeTree(dataDir, rehearsal);
}

/** Fails: digest-different. */
async function requireSame(deps: ActivityDeps, { settings, plan, run }: Boot, walDir: string): Promise<void> {
  const { timing } = deps.config;
  const { stateDigest } = await liveDigest(settings, timing, run.signal);
  if (stateDigest === plan.stateDigest || (await showsSameState({ settings, timing }, plannedFiles(plan, walDir), run))) return;
  throw new RstowError('digest-different', `a server on the restored files shows the state ${stateDigest}, not ${plan.stateDigest}`, {
    details: { found: stateDigest, promised: plan.stateDigest },
  });
}

/** The server's own failure to start is what a rehearsal is for. */
function rehearsalFailure(error: unknown): unknown {
  if (!(error instanceof RstowError) || error.code !== 'service-start-failed') return error;
  return new RstowError('rehearsal-failed', error.message, { details: error.details, cause: error });
}
