import { setTimeout as delay } from 'node:timers/promises';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import type { Warning } from '../../contract/result.ts';
import { promisedExtents, summariseExtents } from '../../core/backup/segment-plan.ts';
import { errorRow } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Extent, segmentFileName, walOffsetText } from '../../core/wal/wal-offset.ts';
import { unlessAbsent } from '../../io/files/errno.ts';
import { ping } from '../../io/rstmdb/server.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { readLiveDigest, showsSameState } from '../../replay/live-digest.ts';
import { type PlanInput, readPlan } from './find-backup.ts';
import { plannedExtents } from './plan-restore.ts';
import type { ReplaySource } from '../../replay/replay-segments.ts';

const POLL_MS = 1_000;

/**
 * Asks the restored server over the wire: it answers, takes the token, and shows the backup's state. Once clients
 * write, its state is no longer the backup's: then the machines are compared, and the result says so. It may take as long
 * as the state is large; a server that can't be reached at all is waited for as long as a step may take.
 * Fails: digest-different, server-unreachable, server-refused, repository-unavailable. Twice: the same.
 */
export const verifyLive =
  (deps: ActivityDeps) =>
  async ({ carried, ...input }: VerifyLiveInput, run: RunPort): Promise<{ warnings: Warning[] }> => {
    const database = openDatabase(deps, input.database);
    const patience = { forMs: database.timing.stepGiveUpMs, signal: run.signal };
    const plan = await patiently(patience, () => readPlan(deps, input));
    const restored = await patiently(patience, () => restoredState(deps, plan, { ...input, carried }));
    await patiently(patience, () => database.server.ask(ping, { signal: run.signal }));
    const warning = await unfinishedComparison(() => compareLive(database, { plan, ...restored }, run));
    return { warnings: warning === undefined ? [] : [warning] };
  };

export type VerifyLiveInput = PlanInput & {
  /** Of a rebase: the backup that has all that was carried over. */
  carried?: string | undefined;
};

type Restored = Pick<Manifest, 'stateDigest' | 'machines'> & { plan: RestorePlan; extents: readonly Extent[] };

/** What the server was started on. */
async function restoredState(deps: ActivityDeps, plan: RestorePlan, input: VerifyLiveInput): Promise<Omit<Restored, 'plan'>> {
  const { database, repository, carried } = input;
  if (carried === undefined) return { stateDigest: plan.stateDigest, machines: plan.machines, extents: plannedExtents(plan) };
  const { stateDigest, machines, segments } = await (await deps.openStore(database, repository)).backups.read(carried);
  return { stateDigest, machines, extents: promisedExtents(segments) };
}

/** With what was carried over behind the planned end. */
function grownFiles(files: ReplaySource, extents: readonly Extent[]): ReplaySource {
  const last = files.extents.at(-1)?.segment ?? 0;
  const grown = extents.filter(({ segment }) => segment >= last);
  return { ...files, extents: [...files.extents.filter(({ segment }) => segment < last), ...grown] };
}

/** Fails: digest-different, comparison-unfinished. */
async function compareLive(
  { server, walDir }: Database,
  { plan, stateDigest, machines, extents }: Restored,
  run: RunPort,
): Promise<Warning | undefined> {
  const live = await readLiveDigest(server, run);
  const { end } = summariseExtents(extents);
  const untouched = live.quiescent && live.latestOffset !== undefined && walOffsetText(live.latestOffset) === end;
  const showsSame = async (): Promise<boolean> =>
    live.stateDigest === stateDigest || showsSameState(server, grownFiles(await restoredFiles(plan, walDir), extents), run);
  if (untouched && !(await showsSame())) {
    throw new RstowError('digest-different', `the restored server shows the state ${live.stateDigest}, not ${stateDigest}`, {
      details: { found: live.stateDigest, promised: stateDigest },
    });
  }
  if (live.machines < machines) {
    throw new RstowError('digest-different', `the restored server shows ${live.machines} machines, not ${machines}`);
  }
  return untouched ? undefined : writtenMeanwhile;
}

/** Asks again while trying again can help. */
async function patiently<T>({ forMs, signal }: { forMs: number; signal: AbortSignal }, ask: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + forMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RstowError) || !errorRow(error.code).retryable || performance.now() >= deadlineMs) throw error;
      await delay(POLL_MS, undefined, { signal });
    }
  }
}

const writtenMeanwhile: Warning = {
  code: 'written-meanwhile',
  message:
    'clients wrote before the restored state could be compared with the running server; the replay and the rehearsal had compared it already',
};

/** The log that a plan restores, as it lies in a wal/ folder, with its baseline if it has one: to be replayed. Fails: data-directory-replaced. */
export async function restoredFiles(plan: RestorePlan, walDir: string): Promise<ReplaySource> {
  const { baseline } = plan;
  const files = plannedFiles(plan, walDir);
  if (baseline === undefined) return files;
  const { segment } = baseline;
  const path = files.pathOf(segment);
  const there = await unlessAbsent(stat(path));
  if (there === undefined) throw new RstowError('data-directory-replaced', `${path} is gone`, { details: { path } });
  return { ...files, extents: [{ segment, endBytes: there.size }, ...files.extents.filter((extent) => extent.segment > segment)] };
}

/** The same as it was fetched. */
export function plannedFiles(plan: RestorePlan, walDir: string): ReplaySource {
  return { extents: plannedExtents(plan), pathOf: (segment) => join(walDir, segmentFileName(segment)), damageCode: 'damaged-object' };
}

/**
 * Compares what a server shows with a backup. One that stops answering on the way has shown nothing wrong: the state was
 * compared when the log was replayed, so it is a warning. Fails: as the comparison, but for comparison-unfinished.
 */
export async function unfinishedComparison(compare: () => Promise<Warning | undefined>): Promise<Warning | undefined> {
  try {
    return await compare();
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'comparison-unfinished') throw error;
    const message = `the state could not be compared to its end over the wire: ${error.message}. The replay of the log had compared it.`;
    return { code: error.code, message };
  }
}
