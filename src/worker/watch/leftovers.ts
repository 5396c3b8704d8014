import { readdir, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { forgetRun, type RunningBackups, runsHere } from '../../activities/backup/running-backups.ts';
import { type Database, type HostConfig, openDatabase } from '../../database/database.ts';
import { endScratchServers } from '../../database/scratch-server.ts';
import { runSnapshots, snapshotRemoved, snapshotVolume } from '../../database/snapshots.ts';
import type { AgentConfig } from '../../config/agent-config.ts';
import {
  isLocalRunId,
  localRunMutexName,
  notedRuns,
  notedWorkflow,
  receivedVolumes,
  removeRunNote,
  removeScratch,
  scratchPath,
  scratchRuns,
  unfinishedExports,
} from '../../io/agent-state/run-files.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { listPins, runPinFolder, unpinSegments } from '../../io/data-directory/pins.ts';
import { readStopNote } from '../../io/data-directory/rstow-folder.ts';
import { addKeptMs, keptFile, restorePaths, restoringRuns } from '../../io/data-directory/restores.ts';
import { unlessAbsent } from '../../io/files/errno.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../../io/mutex/host-mutex.ts';
import { removeUnfinished } from '../../io/tar/pack-archive.ts';
import { dropReceived } from '../../io/volume/zfs-stream.ts';
import { receiver } from '../../activities/volume/restore-volume.ts';
import type { AgentRunRegistry, RunState } from '../temporal/run-registry.ts';
import type { ActivityDeps, Events } from '../../activities/activity-deps.ts';
import type { Store } from '../../store/store.ts';

/** By a run's own id. */
export type RunStates = { runState(runId: string): Promise<RunState> };

/** A run of which nothing was noted and that Temporal's list lacks may have begun a moment ago; after this time it has ended. */
const FORGOTTEN_AFTER_MS = 3_600_000;

/** Asks for a run by its workflow's id as well where that was noted: Temporal's list of runs may be behind, or broken. */
export function runStates({ agent }: AgentConfig, registry: Pick<AgentRunRegistry, 'runState'>): RunStates {
  return { runState: async (runId) => registry.runState(runId, await notedWorkflow(agent.stateDir, runId)) };
}

/** Lets go of what backups that were terminated keep in memory, and of the descriptors that stood for their pins. Twice: no-op. */
export async function forgetEndedRuns(backups: RunningBackups, runs: RunStates): Promise<void> {
  for (const runId of runsHere(backups)) {
    if ((await runs.runState(runId)) === 'closed') await forgetRun(backups, runId);
  }
}

/** Drops the notes of closed runs, but for those that are still kept in memory. Twice: no-op. */
export async function clearRunNotes({ agent }: AgentConfig, backups: RunningBackups, runs: RunStates): Promise<void> {
  const kept = runsHere(backups);
  for (const runId of await notedRuns(agent.stateDir)) {
    if (!kept.includes(runId) && (await runs.runState(runId)) === 'closed') await removeRunNote(agent.stateDir, runId);
  }
}

/** Unpins what closed runs left: their segments would never be freed. Twice: no-op. */
export async function clearPins(dataDir: string, runs: RunStates): Promise<void> {
  for (const pin of await listPins(dataDir)) {
    if (await hasEnded(runs, pin.runId, () => ageMs(runPinFolder(pin)))) await unpinSegments(pin);
  }
}

/** Where no snapshot can be taken, none was left. */
const NO_SNAPSHOTS = ['snapshot-unsupported', 'permission-denied', 'data-directory-missing'];

/** Removes the snapshots that closed runs have left, and what they are mounted on: each costs the server a second write. Twice: no-op. */
export async function clearSnapshots(database: Database, runs: RunStates, events: Events): Promise<void> {
  if (database.settings.snapshot === undefined) return;
  const volume = await snapshotVolume(database).catch((error: unknown) => {
    if (error instanceof RstowError && NO_SNAPSHOTS.includes(error.code)) return undefined;
    throw error;
  });
  if (volume === undefined) return;
  for (const { name, runId, takenAtMs } of await runSnapshots(database.name, volume)) {
    if (!(await hasEnded(runs, runId, async () => Date.now() - takenAtMs))) continue;
    await volume.drop(name);
    events.record(snapshotRemoved(database.name, { volume: volume.name, snapshot: name }));
  }
}

/** Removes what closed runs only looked at, and the servers of recovery tests that outlived their agent. Twice: no-op. */
export async function clearScratch(host: HostConfig, runs: RunStates): Promise<void> {
  const { agent, databases } = host.config;
  for (const runId of await scratchRuns(agent.stateDir)) {
    const dataDir = scratchPath(agent.stateDir, runId);
    if (!(await hasEnded(runs, runId, () => ageMs(dataDir)))) continue;
    // Which database it was is not said there.
    for (const name of Object.keys(databases)) await endScratchServers({ database: openDatabase(host, name), dataDir, runId });
    await removeScratch(agent.stateDir, runId);
  }
}

/** Drops the datasets that closed runs have received and did not keep. Twice: no-op. */
export async function clearVolumes({ agent }: AgentConfig, installationId: string, runs: RunStates): Promise<void> {
  for (const { runId, name, path } of await receivedVolumes.list(agent.stateDir)) {
    if (!(await hasEnded(runs, runId, () => ageMs(path)))) continue;
    await dropReceived({ dataset: name, by: receiver(installationId, runId) });
    await receivedVolumes.remove(agent.stateDir, runId);
  }
}

/** Removes what closed exports have not finished beside their archives, or its second name. Twice: no-op. */
export async function clearExports({ agent }: AgentConfig, runs: RunStates): Promise<void> {
  for (const { runId, name, path } of await unfinishedExports.list(agent.stateDir)) {
    if (!(await hasEnded(runs, runId, () => ageMs(path)))) continue;
    await removeUnfinished(name);
    await unfinishedExports.remove(agent.stateDir, runId);
  }
}

/**
 * Removes what closed restores staged, and the data that they replaced once the safety time is over, of which
 * `passedMs` have gone by since the last call. A restore at work is left alone: it holds the data mutex, or its note
 * lies there. Twice: no-op.
 */
export async function clearRestores(database: Database, runs: RunStates, passedMs: number): Promise<void> {
  const { dataDir } = database;
  const runIds = await restoringRuns(dataDir);
  if (runIds.length === 0) return;
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), { what: 'clearing old restores', waitTimeoutMs: 0 });
  try {
    if ((await readStopNote(dataDir)) !== undefined) return;
    for (const runId of runIds) {
      if (await hasEnded(runs, runId, () => ageMs(restorePaths(dataDir, runId).root))) await clearRestore(database, runId, passedMs);
    }
  } finally {
    await mutex.release();
  }
}

async function clearRestore(database: Database, runId: string, passedMs: number): Promise<void> {
  const { dataDir, settings } = database;
  const { root, wal, replaced, rehearsal, rejected } = restorePaths(dataDir, runId);
  // The rehearsal's server may have outlived its agent.
  await endScratchServers({ database, dataDir: rehearsal, runId });
  for (const staged of [wal, rehearsal]) await rm(staged, { recursive: true, force: true });
  const left = await namesIn(root);
  const isKept = [replaced, rejected].some((kept) => left.includes(basename(kept)));
  // No clock is asked: one that jumps ahead by days would delete what somebody may still need.
  if (isKept && (await addKeptMs(root, passedMs)) < settings.safetyCopyMs) return;
  for (const kept of [replaced, rejected, keptFile(root)]) await rm(kept, { recursive: true, force: true });
  if ((await namesIn(root)).length === 0) await rm(root, { recursive: true, force: true });
}

async function hasEnded(runs: RunStates, runId: string, leftSinceMs: () => Promise<number | undefined>): Promise<boolean> {
  if (isLocalRunId(runId)) return !(await isLocalRunAtWork(runId));
  const state = await runs.runState(runId);
  if (state !== 'unknown') return state === 'closed';
  return ((await leftSinceMs()) ?? 0) > FORGOTTEN_AFTER_MS;
}

/** Temporal knows nothing of such a run: its own process holds its mutex. */
async function isLocalRunAtWork(runId: string): Promise<boolean> {
  try {
    const mutex = await acquireHostMutex(localRunMutexName(runId), { what: 'looking for a run', waitTimeoutMs: 0 });
    await mutex.release();
    return false;
  } catch (error) {
    if (error instanceof RstowError && error.code === 'busy') return true;
    throw error;
  }
}

async function ageMs(path: string): Promise<number | undefined> {
  const stats = await unlessAbsent(stat(path));
  return stats === undefined ? undefined : Date.now() - stats.mtimeMs;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await unlessAbsent(readdir(folder))) ?? [];
}

/** How long what an ended run has left in a repository stays at least. A step that hangs may still be reading it. */
const KEPT_MS = 3_600_000;

/** Of a run that this Temporal knows nothing of, as another one's or one without Temporal: by then it has ended. */
const KEPT_UNKNOWN_MS = 7 * 86_400_000;

export type ClearRepositories = {
  deps: Pick<ActivityDeps, 'agent' | 'catalogueOf'>;
  runs: RunStates;
  /** 1 hour if absent. */
  keptMs?: number;
};

/**
 * Deletes what ended runs have decided, and gives back the labels of backups that never were: what a killed run has
 * stored under one goes with it. Only the owner's agent does. Twice: no-op.
 */
export async function clearRepositories({ deps, runs, keptMs = KEPT_MS }: ClearRepositories, database: string): Promise<void> {
  const catalogue = deps.catalogueOf(database);
  const { owner } = await catalogue.owner.find(catalogue.owner.keptMs);
  if (owner?.installationId !== deps.agent.installationId) return;
  const hasEnded = async (runId: string, leftAtMs: number): Promise<boolean> => {
    const ageMs = Date.now() - leftAtMs;
    if (ageMs < keptMs) return false;
    const state = isLocalRunId(runId) ? 'unknown' : await runs.runState(runId);
    return state === 'unknown' ? ageMs > KEPT_UNKNOWN_MS : state === 'closed';
  };
  await catalogue.each((store) => clearStore(store, hasEnded));
}

/** Keeps the catalogue of each repository that has one: @see Overview. Only the owner's agent does. Twice: no-op. */
export async function refreshCatalogues({ deps }: Pick<ClearRepositories, 'deps'>, database: string): Promise<void> {
  const catalogue = deps.catalogueOf(database);
  const { owner } = await catalogue.owner.find(catalogue.owner.keptMs);
  if (owner?.installationId === deps.agent.installationId) await catalogue.each(({ overview }) => overview.refresh());
}

async function clearStore({ plans, backups }: Store, hasEnded: (runId: string, leftAtMs: number) => Promise<boolean>): Promise<void> {
  for (const { runId, keys, leftAtMs } of await plans.runs()) {
    if (await hasEnded(runId, leftAtMs)) await plans.forget(keys);
  }
  for (const { label, runId, claimedAtMs } of await backups.claims()) {
    if (await hasEnded(runId, claimedAtMs)) await backups.release(label);
  }
}
