import { lstat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { RstowError } from '../core/errors/rstow-error.ts';
import {
  guardedTimelines,
  guardObstacle,
  guardTimeline,
  listGuardPins,
  readGuardFile,
  removeGuardPins,
} from '../io/data-directory/guard-pins.ts';
import { guardPinFolder } from '../io/data-directory/pins.ts';
import { restoringRuns } from '../io/data-directory/restores.ts';
import { listSegments } from '../io/data-directory/segments.ts';
import { readStopNote } from '../io/data-directory/rstow-folder.ts';
import { errnoOf, unlessAbsent } from '../io/files/errno.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../io/mutex/host-mutex.ts';
import { isSameProcessAlive } from '../io/process/proc.ts';
import { parseServerAddress, portState } from '../io/service/ports.ts';
import type { Database } from './database.ts';
import { actOnGuard, type GuardView, inheritPins, isGuardDue, viewGuard } from './guard.ts';
import { doubtLink } from './guard-doubt.ts';
import { clearedFact, doneFacts, type GuardFact, lastingFacts, unsupportedFact } from './guard-facts.ts';

export type Guard = {
  /** Pins what is new and links back what compaction has deleted. Cheap if nothing has changed. Twice: no-op. */
  look(): Promise<GuardFact[]>;
};

/** A look at everything, although nothing seems to have changed: it reads all of /proc. */
const FULL_LOOK_MS = 10_000;

/** Another server is looked for so often: that costs more than to see whether the folder has changed. */
const SERVER_LOOK_MS = 1_000;

/** A folder may change once more within the same tick of the clock that stamps it. */
const STAMP_DOUBT_MS = 100;

const PORT_MS = 1_000;

/** What a look has found that the next one compares with. */
type Settled = { walInode: bigint; walChangedNs: bigint; atMs: number; server: GuardView['server']; serverAskedAtMs: number };

/** The restart guard of one database. It knows no Temporal, no repository and no archive. */
export function createGuard(database: Database): Guard {
  let settled: Settled | undefined;
  const said = createSaid();
  return {
    look: async () => {
      if (settled !== undefined && (await isUnchanged(database, settled))) return [];
      settled = undefined;
      // Before the look: what changes while it lasts is a change for the next one.
      const stamp = await stampOf(database);
      const { facts, isSettled, view } = await lookNow(database).catch((error: unknown) => failedLook(database.name, error));
      if (isSettled && stamp !== undefined) settled = { ...stamp, server: view?.server ?? 'down', serverAskedAtMs: stamp.atMs };
      return facts.filter((fact) => said(fact));
    },
  };
}

const MENDING_LOOKS_MAX = 5;

/**
 * Links back at once what compaction has just deleted and a guard has pinned: whoever is about to read the log can't wait for the next look.
 * Cheap if nothing is missing. Gives what was done, and whether nothing is left to be linked back.
 */
export async function mendDeleted(database: Database): Promise<{ facts: GuardFact[]; isMended: boolean }> {
  const { dataDir, walDir, settings } = database;
  const facts: GuardFact[] = [];
  if (!settings.guard.enabled) return { facts, isMended: true };
  for (let looks = 0; looks < MENDING_LOOKS_MAX; looks += 1) {
    const inWal = new Set(((await listSegments(walDir)) ?? []).map(({ segment }) => segment));
    const pins = await listGuardPins(guardPinFolder(dataDir, await guardTimeline(walDir)));
    if (pins.every(({ segment }) => inWal.has(segment))) return { facts, isMended: true };
    const decision = (await viewGuard(database))?.decision;
    if (decision?.kind !== 'act' || decision.linkBack.length === 0) return { facts, isMended: true };
    facts.push(...(await lookNow(database)).facts.filter(({ kind }) => ACTIONS.includes(kind)));
    // Another guard, the agent's own, may be about to.
    await delay(STAMP_DOUBT_MS);
  }
  return { facts, isMended: false };
}

/** Tried again at the next look, and said once. A folder that is gone for a moment is being swapped. */
function failedLook(database: string, error: unknown): Look {
  const errno = errnoOf(error);
  if (errno === 'ENOENT' || errno === 'ENOTDIR') return NOT_NOW;
  if (errno === undefined && !(error instanceof RstowError)) throw error;
  return { facts: [unsupportedFact(database, (error as Error).message)], isSettled: false };
}

const ACTIONS: readonly GuardFact['kind'][] = ['log-pinned', 'log-linked-back', 'log-taken-out', 'guard-pins-cleared'];

/** Whether a fact is news: a state is said when it begins, and what was done each time. */
function createSaid(): (fact: GuardFact) => boolean {
  const last = new Map<string, string>();
  return ({ kind, sentence }) => {
    if (ACTIONS.includes(kind)) return true;
    const isNews = last.get(kind) !== sentence;
    last.set(kind, sentence);
    return isNews;
  };
}

/** Undefined if the folder has changed a moment ago. */
async function stampOf({ walDir }: Database): Promise<Omit<Settled, 'server' | 'serverAskedAtMs'> | undefined> {
  const entry = await unlessAbsent(lstat(walDir, { bigint: true }));
  if (entry === undefined || Date.now() - Number(entry.mtimeNs / 1_000_000n) < STAMP_DOUBT_MS) return undefined;
  return { walInode: entry.ino, walChangedNs: entry.mtimeNs, atMs: performance.now() };
}

async function isUnchanged(database: Database, settled: Settled): Promise<boolean> {
  const entry = await unlessAbsent(lstat(database.walDir, { bigint: true }));
  if (entry?.ino !== settled.walInode || entry.mtimeNs !== settled.walChangedNs) return false;
  if (performance.now() - settled.serverAskedAtMs < SERVER_LOOK_MS) return true;
  settled.serverAskedAtMs = performance.now();
  return isSameServer(database, settled);
}

async function isSameServer({ server }: Database, { atMs, server: seen }: Settled): Promise<boolean> {
  if (typeof seen === 'object') return isSameProcessAlive(seen);
  if (performance.now() - atMs > FULL_LOOK_MS) return false;
  return seen === 'unseen' || (await portState(parseServerAddress(server.address), PORT_MS)).kind === 'closed';
}

/**
 * Gives the disk space back that the pins of a guard that was turned off may hold, but for what a server has started without:
 * nobody else may have that. What compaction has deleted until then is linked back first. Twice: no-op.
 */
export async function dropGuardPins(database: Database): Promise<GuardFact[]> {
  const { name, dataDir } = database;
  if ((await guardedTimelines(dataDir)).length === 0) return [];
  const dropped = await underDataMutex(database, async () => {
    if (await isStopped(dataDir)) return [];
    const last = await actNow(database);
    const timelines = await withoutLost(dataDir, await guardedTimelines(dataDir));
    // A server that can't be seen: nobody knows whether its next start needs what is missing.
    const view = await viewGuard(database);
    const dropped = timelines.filter((timeline) => timeline !== view?.timeline || isAllInWal(view));
    for (const timeline of dropped) await removeGuardPins(dataDir, timeline);
    const linked = last.facts.filter(({ kind }) => kind === 'log-linked-back');
    return [...linked, ...dropped.map((timeline) => clearedFact(name, timeline, 'whose restart guard is off'))];
  });
  return dropped ?? [];
}

function isAllInWal({ wal, pins }: GuardView): boolean {
  const inWal = new Set(wal.map(({ segment }) => segment));
  return pins.every(({ segment }) => inWal.has(segment));
}

type Look = { facts: GuardFact[]; isSettled: boolean; view?: GuardView | undefined };

const NOT_NOW: Look = { facts: [], isSettled: false };

async function lookNow(database: Database): Promise<Look> {
  const { name, dataDir } = database;
  if ((await unlessAbsent(lstat(database.walDir))) === undefined) return NOT_NOW;
  const obstacle = await guardObstacle(dataDir);
  if (obstacle !== undefined) return { facts: [unsupportedFact(name, obstacle)], isSettled: false };
  // A restore, or whoever has stopped the server, does as it likes until it is over.
  const seen = (await isStopped(dataDir)) ? undefined : await viewGuard(database);
  if (seen === undefined) return NOT_NOW;
  const old = await clearable(dataDir, seen.timeline);
  if (!isGuardDue(seen) && old.length === 0) return { facts: lastingFacts(database, seen), isSettled: isOver(seen), view: seen };
  return (await underDataMutex(database, () => actNow(database))) ?? NOT_NOW;
}

/** Undefined while a swap, or another guard, has the directory. */
async function underDataMutex<T>({ dataDir, name }: Database, use: () => Promise<T>): Promise<T | undefined> {
  try {
    const options = { what: `the restart guard of ${name}`, waitTimeoutMs: 0 };
    const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), options);
    try {
      return await use();
    } finally {
      await mutex.release();
    }
  } catch (error) {
    if (error instanceof RstowError && error.code === 'busy') return undefined;
    throw error;
  }
}

async function actNow(database: Database): Promise<Look> {
  const { name, dataDir } = database;
  if (await isStopped(dataDir)) return NOT_NOW;
  await inheritPins(database);
  const seen = await viewGuard(database);
  if (seen === undefined) return NOT_NOW;
  const view = await doubtLink(seen);
  try {
    const done = await actOnGuard(database, view);
    const cleared = await clearable(dataDir, view.timeline);
    for (const timeline of cleared) await removeGuardPins(dataDir, timeline);
    const facts = [
      ...doneFacts(name, done),
      ...cleared.map((timeline) => clearedFact(name, timeline, 'which the data directory has left for good')),
    ];
    return { facts: [...facts, ...lastingFacts(database, view, done.lost)], isSettled: false };
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'data-directory-unsupported') throw error;
    return { facts: [unsupportedFact(name, error.message)], isSettled: true, view };
  }
}

async function isStopped(dataDir: string): Promise<boolean> {
  try {
    return (await readStopNote(dataDir)) !== undefined;
  } catch (error) {
    if (error instanceof RstowError && error.code === 'format-unsupported') return true;
    throw error;
  }
}

/**
 * The histories that have left wal/ for good: no restore keeps data any more that an undo could put back, or that a
 * swap is about to. Until then their pins cost nothing, for those data are the same files. What a server has lost stays:
 * nobody else may have it.
 */
async function clearable(dataDir: string, timeline: string): Promise<string[]> {
  const others = (await guardedTimelines(dataDir)).filter((other) => other !== timeline);
  if (others.length === 0 || (await restoringRuns(dataDir)).length > 0) return [];
  return withoutLost(dataDir, others);
}

async function withoutLost(dataDir: string, timelines: readonly string[]): Promise<string[]> {
  const noted = await Promise.all(timelines.map((timeline) => readGuardFile(guardPinFolder(dataDir, timeline))));
  return timelines.filter((_timeline, index) => noted[index]?.lost.length === 0);
}

/** Nothing is left to do before something changes. */
function isOver({ decision, server }: GuardView): boolean {
  return decision.kind === 'replaced' || typeof server !== 'object' || decision.isJudged;
}
