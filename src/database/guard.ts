import { lstat } from 'node:fs/promises';
import { RstowError } from '../core/errors/rstow-error.ts';
import { decideGuard, type GuardDecision, type GuardServer, type GuardSight } from '../core/guard/guard-decision.ts';
import type { SegmentId } from '../core/wal/wal-offset.ts';
import type { GuardFileContent } from '../formats/data-directory.ts';
import {
  addGuardPins,
  guardedTimelines,
  guardTimeline,
  linkBack,
  listGuardPins,
  moveGuardPins,
  type PinFile,
  readGuardFile,
  takeOut,
  writeGuardFile,
} from '../io/data-directory/guard-pins.ts';
import { guardPinFolder } from '../io/data-directory/pins.ts';
import { listSegments, type SegmentFile } from '../io/data-directory/segments.ts';
import { forbidsLinks, systemMessage } from '../io/files/errno.ts';
import { bootedAtMs, isSameProcessAlive, type ProcessIdentity, readBootId, ticksMs } from '../io/process/proc.ts';
import { openInodes } from '../io/process/open-files.ts';
import { findServerProcess } from '../io/rstmdb/discover-server.ts';
import { parseServerAddress, portState } from '../io/service/ports.ts';
import type { Database } from './database.ts';

/** What the guard sees of a database: its files, what was noted of them, and its server. */
export type GuardView = {
  readonly folder: string;
  readonly timeline: string;
  readonly wal: readonly SegmentFile[];
  readonly pins: readonly PinFile[];
  readonly noted: GuardFileContent;
  readonly server: ProcessIdentity | 'down' | 'unseen';
  readonly sight: GuardSight;
  readonly decision: GuardDecision;
};

/** Why a guard links nothing back then. */
export const UNSEEN = 'the server’s process can’t be seen from here, so nobody knows what it has started from';

const PORT_MS = 1_000;
const CLOCK_SET_MS = 2_000;
const NOTHING_NOTED: GuardFileContent = {
  format: 1,
  server: null,
  bootedAtMs: 0,
  lost: [],
  lostSinceMs: null,
  linked: [],
  unsupported: null,
};

/**
 * Looks at the log and its server, and decides; changes nothing. Undefined where there is no wal/. `server` is asked for
 * if absent. Fails: timeline-diverged.
 */
export async function viewGuard(
  { dataDir, walDir, server: { address } }: Pick<Database, 'dataDir' | 'walDir' | 'server'>,
  known?: 'down',
): Promise<GuardView | undefined> {
  const timeline = await guardTimeline(walDir);
  const folder = guardPinFolder(dataDir, timeline);
  const file = await readGuardFile(folder);
  // Before the log’s files: what a server has deleted by the time they are listed, it has deleted in its life.
  const server = known ?? (await findServer({ dataDir, address }, file?.server ?? null));
  const wal = await listSegments(walDir);
  if (wal === undefined) return undefined;
  const pins = await listGuardPins(folder);
  const { mtimeMs: walChangedAtMs } = await lstat(walDir);
  const noted = file ?? { ...NOTHING_NOTED, lost: file === null ? missingIn(wal, pins) : [] };
  const sight = {
    wal,
    // Whatever else has touched a pin since, such as the end of a backup: a name that was deleted changed its folder as well.
    pins: pins.map((pin) => ({ ...pin, changedAtMs: Math.min(pin.changedAtMs, walChangedAtMs) })),
    lost: new Set(noted.lost),
    linked: new Set(noted.linked),
    server: typeof server === 'object' ? await sightOf(server, { walDir, wal, pins, noted }) : server,
  };
  return { folder, timeline, wal, pins, noted, server, sight, decision: decideGuard(sight) };
}

/** If what was noted can't be read, nobody knows what the servers have started without: nothing is linked back then. */
function missingIn(wal: readonly SegmentFile[], pins: readonly PinFile[]): SegmentId[] {
  const inWal = new Set(wal.map(({ segment }) => segment));
  return pins.map(({ segment }) => segment).filter((segment) => !inWal.has(segment));
}

type Known = GuardFileContent['server'];

/** One that was found before is looked up by its number: to find one, all of /proc is read. */
async function findServer(
  { dataDir, address }: { dataDir: string; address: string },
  known: Known,
): Promise<ProcessIdentity | 'down' | 'unseen'> {
  if (known !== null && known.bootId === (await readBootId()) && (await isSameProcessAlive(known))) return known;
  const found = await findServerProcess({ dataDir, address });
  if (found !== undefined) return found;
  const port = await portState(parseServerAddress(address), PORT_MS);
  return port.kind === 'closed' ? 'down' : 'unseen';
}

type Files = { walDir: string; wal: readonly SegmentFile[]; pins: readonly PinFile[]; noted: GuardFileContent };

async function sightOf(server: ProcessIdentity, { walDir, wal, pins, noted }: Files): Promise<GuardServer> {
  const bootId = await readBootId();
  const { pid, startTicks } = server;
  const isKnown =
    noted.server !== null && noted.server.pid === pid && noted.server.startTicks === startTicks && noted.server.bootId === bootId;
  const inWal = new Set(wal.map(({ segment }) => segment));
  if (isKnown && pins.some(({ segment }) => inWal.has(segment))) return { isKnown, startedAtMs: undefined, holds: new Set() };
  const inodes = await openInodes(pid);
  const { dev } = await lstat(walDir, { bigint: true });
  const held = [...wal, ...pins].filter(({ inode }) => inodes.has(`${dev}:${inode}`));
  const booted = await bootedAtMs();
  const wasClockSet = noted.server?.bootId === bootId && Math.abs(booted - noted.bootedAtMs) > CLOCK_SET_MS;
  return {
    isKnown,
    startedAtMs: wasClockSet ? undefined : booted + ticksMs(startTicks),
    holds: new Set(held.map(({ segment }) => segment)),
  };
}

/**
 * A rescue lets the log in place continue as another timeline: its pins and what is noted go with it. The caller holds the
 * data mutex. Twice: no-op.
 */
export async function inheritPins({ dataDir, walDir }: Pick<Database, 'dataDir' | 'walDir'>): Promise<void> {
  const wal = await listSegments(walDir);
  if (wal === undefined) return;
  const timeline = await guardTimeline(walDir);
  const timelines = await guardedTimelines(dataDir);
  if (timelines.includes(timeline)) return;
  for (const other of timelines) {
    const pins = await listGuardPins(guardPinFolder(dataDir, other));
    if (!areSameFiles(pins, wal)) continue;
    await moveGuardPins(dataDir, { from: other, to: timeline });
    return;
  }
}

function areSameFiles(pins: readonly SegmentFile[], wal: readonly SegmentFile[]): boolean {
  const inodes = new Map(wal.map(({ segment, inode }) => [segment, inode]));
  const shared = pins.filter(({ segment }) => inodes.has(segment));
  return shared.length > 0 && shared.every(({ segment, inode }) => inodes.get(segment) === inode);
}

/** What was done, by segment. */
export type GuardDone = { pinned: SegmentId[]; linkedBack: SegmentId[]; takenOut: SegmentId[]; lost: SegmentId[] };

/**
 * Does what was decided. The caller holds the data mutex, and has looked under it. What is lost, and what will be linked
 * back, is noted first: whoever comes after a crash must not judge it anew by what we have changed.
 * Fails: data-directory-unsupported. Twice: no-op.
 */
export async function actOnGuard({ walDir }: Pick<Database, 'walDir'>, view: GuardView): Promise<GuardDone> {
  const { folder, wal, pins, noted, decision, server } = view;
  const done: GuardDone = { pinned: [], linkedBack: [], takenOut: [], lost: noted.lost };
  if (decision.kind === 'replaced') return done;
  try {
    const unpinned = wal.filter(({ segment }) => decision.pin.includes(segment));
    if (unpinned.length > 0) await addGuardPins(unpinned, folder);
    await note(view, decision, typeof server === 'object' && decision.isJudged ? server : undefined);
    if (decision.takeOut.length > 0) await takeOut(decision.takeOut, walDir);
    const back = pins.filter(({ segment }) => decision.linkBack.includes(segment));
    if (back.length > 0) await linkBack(back, walDir);
  } catch (error) {
    if (!forbidsLinks(error)) throw error;
    const why = systemMessage(error as Error);
    await writeGuardFile(folder, { ...noted, unsupported: why }).catch(() => undefined);
    throw new RstowError('data-directory-unsupported', `no hard links can be made of the segments in ${walDir}: ${why}`, { cause: error });
  }
  return { pinned: decision.pin, linkedBack: decision.linkBack, takenOut: decision.takeOut, lost: decision.lost };
}

type Decided = Extract<GuardDecision, { kind: 'act' }>;

async function note({ folder, noted }: GuardView, { lost, linkBack: back }: Decided, judged: ProcessIdentity | undefined): Promise<void> {
  const linked = [...new Set([...noted.linked, ...back])].sort((a, b) => a - b);
  const server = judged === undefined ? noted.server : { pid: judged.pid, startTicks: judged.startTicks, bootId: await readBootId() };
  const lostSinceMs = lost.length === 0 ? null : (noted.lostSinceMs ?? Date.now());
  const content: GuardFileContent = { ...noted, lost, lostSinceMs, linked, server, unsupported: null };
  if (JSON.stringify(content) === JSON.stringify({ ...noted, unsupported: null }) && noted.unsupported === null) return;
  await writeGuardFile(folder, { ...content, bootedAtMs: await bootedAtMs() });
}

/** Whether the view's decision is one that changes something on the disk. */
export function isGuardDue({ decision, noted, server, pins }: GuardView): boolean {
  if (decision.kind === 'replaced') return false;
  const { pin, linkBack: back, takeOut: out, lost, isJudged } = decision;
  const isNewServer =
    pins.length > 0 &&
    isJudged &&
    typeof server === 'object' &&
    (noted.server?.pid !== server.pid || noted.server.startTicks !== server.startTicks);
  return pin.length + back.length + out.length > 0 || lost.length !== noted.lost.length || isNewServer;
}

/** The segments of which only the guard keeps the bytes, or did until it linked them back. */
export function keptBytes({ wal, pins, noted }: Pick<GuardView, 'wal' | 'pins' | 'noted'>): number {
  const inWal = new Set(wal.map(({ segment }) => segment));
  const kept = pins.filter(({ segment }) => noted.linked.includes(segment) || !inWal.has(segment));
  return kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
