import type { BackupPosition } from '../../core/backup/label.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { endBy } from '../../core/recovery/log-times.ts';
import { searchOffset } from '../../core/recovery/record-search.ts';
import { writtenBy } from '../../core/recovery/recovery-window.ts';
import { type Extent, makeWalOffset, positionBytesOf, segmentOf } from '../../core/wal/wal-offset.ts';
import type { Caller } from '../../replay/progress.ts';
import {
  archiveGap,
  baselineOfLog,
  lastReachable,
  type Located,
  notFound,
  reachedLog,
  requireReachable,
  search,
  whole,
} from './reachable-log.ts';
import type { StoredHistory } from './stored-history.ts';

/**
 * Nothing in a backup was written after its manifest was, and the archive knows when records came. Fails: point-not-found, naming the
 * first one; wal-gap.
 */
export async function lastBefore(history: StoredHistory, time: string, run: Caller): Promise<Located> {
  const { store, positions, newest, log, archive, times } = history;
  const timeMs = Date.parse(time);
  const { hole } = archive;
  if (hole !== undefined && times.isAnyBehind(hole.from, timeMs)) throw archiveGap(history, `what came by ${time}`);
  const written = writtenBy(positions, timeMs);
  if (!log.isArchived && written.length === positions.length && newest.writtenAtMs <= timeMs) return lastReachable(history);
  const backup = await newestOf(history, written);
  const found = (await seenBy(history, { timeMs, backup }, run)) ?? backup;
  if (found !== undefined) return found;
  const [first] = positions;
  const earliest =
    first === undefined ? '' : `; the earliest point by time is ${new Date(first.writtenAtMs).toISOString()} (${first.label})`;
  throw notFound(store, `nothing is known of what was written by ${time}${earliest}`);
}

/** The end of the newest of them that can be read. Fails: wal-gap. */
async function newestOf(history: StoredHistory, written: readonly BackupPosition[]): Promise<Located | undefined> {
  for (const position of written.toReversed()) {
    const end = await endOf(history, position);
    if (end !== undefined) return end;
  }
  return undefined;
}

type Seen = { timeMs: number; backup: Located | undefined };

/** The end of what the archive had seen by then, if that is more than the backup has. Fails: wal-gap, and as reading the log does. */
async function seenBy(history: StoredHistory, { timeMs, backup }: Seen, run: Caller): Promise<Located | undefined> {
  const { log, end } = history;
  const known = new Map(await history.times.knownBy(timeMs));
  const held = backup === undefined ? [] : extentsUpTo(backup);
  for (const { segment, endBytes } of held) known.set(segment, Math.max(known.get(segment) ?? 0, endBytes));
  const cut = endBy(extentsUpTo({ log, cut: end }), known);
  const { segment: baseline = 0 } = baselineOfLog(history) ?? {};
  if (cut === undefined || cut.segment <= baseline) return undefined;
  const last = held.at(-1);
  if (last !== undefined && makeWalOffset(cut.segment, cut.endBytes) <= makeWalOffset(last.segment, last.endBytes)) return undefined;
  requireReachable(reachedLog(history), cut.segment, `what came by ${new Date(timeMs).toISOString()}`);
  return { log, cut: await search(history, { searching: searchOffset(cut), only: cut.segment }, run) };
}

function extentsUpTo({ log, cut }: Located): Extent[] {
  const extents = promisedExtents(log.segments);
  if (cut === undefined) return extents;
  const within = extents.filter(({ segment }) => segment <= cut.segment);
  return within.map((extent) => (extent.segment === cut.segment ? cut : extent));
}

/** Of a backup whose manifest can't be read, the newest log has the same; undefined if it hasn't. Fails: wal-gap. */
async function endOf(history: StoredHistory, { label, end, sizeBytes }: BackupPosition): Promise<Located | undefined> {
  const { store, log, timelines } = history;
  const manifest = await store.backups.readable(label);
  if (manifest !== undefined) return whole(manifest, timelines);
  const cut = { segment: segmentOf(end), endBytes: positionBytesOf(end) };
  const earlier = promisedExtents(log.segments).filter(({ segment }) => segment < cut.segment);
  const cutSizeBytes = earlier.reduce((sum, { endBytes }) => sum + endBytes, cut.endBytes);
  if (cutSizeBytes !== sizeBytes) return undefined;
  requireReachable(reachedLog(history), cut.segment, `the end of backup ${label}`);
  return { log, cut };
}
