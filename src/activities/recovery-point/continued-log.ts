import { baselineOf, lineageOf, type TimelineNode } from '../../core/backup/history.ts';
import type { Slice } from '../../core/backup/segment-plan.ts';
import { isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type ArchiveHole, type ContinuedLog, continuedExtents, continueLog, ownPart } from '../../core/repository/continued-log.ts';
import { parsePieceKey, type Piece } from '../../core/repository/piece.ts';
import { parseStreamKey } from '../../core/repository/stream-piece.ts';
import type { SegmentId } from '../../core/wal/wal-offset.ts';
import type { Manifest, ManifestRange, ManifestSegment } from '../../formats/repository/manifest.ts';
import { allEnded } from '../../store/small-batches.ts';
import type { Store } from '../../store/store.ts';

/** A history, and the backup that its log is read from: its own newest one, or one that it was begun from. */
export type HistoryToContinue = {
  store: Store;
  timeline: string;
  timelines: ReadonlyMap<string, TimelineNode>;
  newest: Manifest;
  /** The newest segment that the archive has stored from. */
  newestArchived: SegmentId;
};

/** The log of a history as a backup and the archive have it together. */
export type Continuation = {
  /** Absent if the archive holds nothing beyond the backup. */
  segments?: ManifestSegment[] | undefined;
  hole?: ArchiveHole | undefined;
  /** A damaged object that has made the hole, or has ended the log. */
  fault?: RstowError | undefined;
};

/**
 * What the archive holds beyond a backup. Its objects are read, and each record checked; a piece of the log is known by its sidecar. One
 * that is gone by now is covered by another; a damaged one is done without, or ends the log. Fails: repository-unavailable.
 */
export async function readContinuedLog(history: HistoryToContinue, signal: AbortSignal): Promise<Continuation> {
  const read: ReadSlices = { ranges: new Map(), unusable: new Map() };
  for (;;) {
    const { own, continued } = await planContinuedLog(history, read.unusable);
    const slices = continued.segments.flatMap((segment) => segment.slices);
    if (!(await readSlices(history.store, { slices, read, signal }))) continue;
    const { hole } = continued;
    const segments = slices.length === 0 ? undefined : withRanges(own, continued, read.ranges);
    return { segments, hole, fault: faultBehind(continued, read.unusable) };
  }
}

/** Of an object that reaches beyond the log: nothing else has its bytes. */
function faultBehind(continued: ContinuedLog, unusable: ReadSlices['unusable']): RstowError | undefined {
  const ends = new Map(continuedExtents(continued).map(({ segment, endBytes }) => [segment, endBytes]));
  for (const [key, error] of unusable) {
    const piece = parsePieceKey(key) ?? parseStreamKey(key);
    if (piece !== undefined && piece.endBytes > (ends.get(piece.segment) ?? 0)) return error;
  }
  return undefined;
}

/** What is listed, without the objects of these keys: nothing is read. Fails: repository-unavailable. */
export async function planContinuedLog(
  { store, timeline, timelines, newest, newestArchived }: HistoryToContinue,
  unusable: ReadonlyMap<string, unknown> = new Map(),
): Promise<{ own: ManifestSegment[]; continued: ContinuedLog }> {
  const ancestor = lineageOf(timelines, timeline)?.find((each) => each.timeline === newest.timeline);
  if (ancestor === undefined) return { own: [], continued: { segments: [] } };
  const { segments: own, known } = ownPart(newest.segments, ancestor);
  const ends = new Map(known.map(({ segment, endBytes }) => [segment, endBytes]));
  const isNew = ({ key, segment, endBytes }: Piece): boolean => endBytes > (ends.get(segment) ?? -1) && !unusable.has(key);
  const list = async (): Promise<Piece[]> => (await listStored(store, timeline)).filter(isNew);
  const baseline = baselineOf(timelines, timeline)?.segment;
  const continued = continueLog({ known, stored: await listInOrder(list), baseline, newestArchived });
  if (continued.hole === undefined) return { own, continued };
  // What was stored while the listing went on may look like one.
  return { own, continued: continueLog({ known, stored: await listInOrder(list), baseline, newestArchived }) };
}

/** The archive's first: what is deleted there is in the log before. */
async function listStored(store: Store, timeline: string): Promise<Piece[]> {
  const stream = await store.stream.of(timeline);
  store.pieces.relist();
  return [...stream, ...(await store.pieces.of(timeline))];
}

/**
 * A listing takes its time: it may lack the end of a segment, and have the beginning of the next one, which was stored later. Listed once
 * more, the older segments have all that came before what the first listing has of the newest.
 */
async function listInOrder(list: () => Promise<Piece[]>): Promise<Piece[]> {
  const first = await list();
  const newest = Math.max(0, ...first.map(({ segment }) => segment));
  if (first.every(({ segment }) => segment === newest)) return first;
  const keys = new Set(first.map(({ key }) => key));
  const more = (await list()).filter(({ key, segment }) => segment < newest && !keys.has(key));
  return [...first, ...more];
}

type ReadSlices = {
  /** As manifests have them, by slice. */
  ranges: Map<string, ManifestRange>;
  /** By key. */
  unusable: Map<string, RstowError>;
};

/** So many objects are read side by side. */
const SIDE_BY_SIDE_MAX = 6;

/** False if one of them can't be used. */
async function readSlices(
  store: Store,
  { slices, read, signal }: { slices: readonly Slice[]; read: ReadSlices; signal: AbortSignal },
): Promise<boolean> {
  const unread = slices.filter((slice) => !read.ranges.has(nameOf(slice)));
  const unusableBefore = read.unusable.size;
  for (let at = 0; at < unread.length && read.unusable.size === unusableBefore; at += SIDE_BY_SIDE_MAX) {
    await allEnded(unread.slice(at, at + SIDE_BY_SIDE_MAX).map((slice) => readSlice(store, { slice, read, signal })));
  }
  return slices.every((slice) => read.ranges.has(nameOf(slice)));
}

async function readSlice(store: Store, { slice, read, signal }: { slice: Slice; read: ReadSlices; signal: AbortSignal }): Promise<void> {
  const { piece, skipBytes, takeBytes } = slice;
  const startBytes = piece.startBytes + skipBytes;
  try {
    const { sha256, records } = await store.pieces.contentFrom(piece, startBytes, signal);
    read.ranges.set(nameOf(slice), { timeline: piece.timeline, startBytes, endBytes: startBytes + takeBytes, sha256, records });
  } catch (error) {
    if (!(error instanceof RstowError) || !isObjectDamage(error.code)) throw error;
    read.unusable.set(piece.key, error);
  }
}

function nameOf({ piece, skipBytes }: Slice): string {
  return `${piece.key}+${skipBytes}`;
}

function withRanges(own: readonly ManifestSegment[], { segments }: ContinuedLog, ranges: ReadSlices['ranges']): ManifestSegment[] {
  const known = new Map(own.map((each) => [each.segment, each.ranges]));
  return segments.map(({ segment, slices }) => {
    const behind = slices.map((slice) => ranges.get(nameOf(slice)) as ManifestRange);
    return { segment, ranges: [...(known.get(segment) ?? []), ...behind] };
  });
}
