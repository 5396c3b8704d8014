import { isDeepStrictEqual } from 'node:util';
import type { Fence, StoredExtents } from '../../formats/repository/plans.ts';
import { gapWarnings } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { type Piece, piecesBySegment, planCover } from '../../core/repository/piece.ts';
import { parseStreamKey } from '../../core/repository/stream-piece.ts';
import { PIECE_SIZE_BYTES_MAX } from '../../core/repository/merge-plan.ts';
import type { RecordView, ScanEnd } from '../../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { type ByteProgress, byteProgress } from '../../replay/progress.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import type { PieceContent } from '../../store/record-cut.ts';
import { allEnded, batchesOf } from '../../store/small-batches.ts';
import type { RolledBack } from '../../store/backups.ts';
import { promisedHashes } from '../../store/pieces.ts';
import type { Store } from '../../store/store.ts';
import { emptyState, openState } from '../../replay/kept-state.ts';
import { packAbsent } from '../archive/tidy-segment.ts';
import { absentExtents, checkpointFile } from './replay-log.ts';
import { copyAbsent } from './copy-absent.ts';
import { healingWarnings, putDamagedAside } from './healing.ts';
import { type FencedLog, fencedLog } from '../snapshot/fenced-log.ts';
import { pinnedLog } from './prepare-backup.ts';
import { createPassingReplay, createRecordKeeper, keepReplay, type PassingReplay } from './running-backups.ts';
import { mergePieces, type SegmentChain } from './merge-pieces.ts';
import { type PieceTarget, storePiece } from './piece-store.ts';
import { holdsRecord, judgeTail } from './segment-scan.ts';
import { noteSource, seenSource, type Source } from './noted-source.ts';
import { checkContinues, storedHistory } from './source-continuity.ts';

/** As many calls as the agent has with one repository at once: more would only wait for each other. */
const SIDE_BY_SIDE_MAX = 6;

export type StoreSegmentsInput = { database: string; repository: string; timeline: string; fenceKey: string };
export type StoredSegments = {
  extentsKey: string;
  /** Objects that were damaged or missing, and are stored again. */
  healed: number;
  warnings: Warning[];
};

/**
 * Stores what the repository lacks of each segment, up to its fence, and nothing else. It resumes by listing: a piece
 * that is there is not read and not sent again, unless it is known to be damaged. Fails: source-damaged, timeline-diverged, data-directory-replaced,
 * wal-gap, repository-unavailable, not-enough-space. Twice: the same pieces, skipped.
 */
export const storeSegments =
  (deps: ActivityDeps) =>
  async (input: StoreSegmentsInput, run: RunPort): Promise<StoredSegments> => {
    const { database, timeline } = input;
    const store = await deps.openStore(database, input.repository);
    const fence = await store.plans.fence().read(input.fenceKey);
    const present = fence.segments.map(({ segment }) => segment);
    const locked = await packAbsent({ store, timeline, run }, present);
    await copyAbsent(deps, { store, timeline, present }, run);
    const before = await store.backups.newestOfTimeline({ timeline, exceptRunId: run.runId, recalls: true });
    const warnings: Warning[] = rollbackWarnings(deps, store, await store.backups.rolledBack(before));
    warnings.push(...lockedWarnings(locked));
    const warn = (warning: Warning): void => void warnings.push(warning);
    const target: PieceTarget = { store, timeline, runId: run.runId, promised: promisedHashes(before), warn, recalls: true };
    const { sound, healing } = await putDamagedAside(target, { fence, before, stored: await store.pieces.of(timeline) });
    const opened = openDatabase(deps, database);
    const { pathOf } = pinnedLog(deps, opened, { fence, runId: run.runId });
    const fenced = await fencedLog(deps, opened, { fence, runId: run.runId });
    await checkSource(target, { source: { deps, store, timeline, walDir: opened.walDir }, fence, sound, pathOf });
    const known = piecesBySegment(sound);
    const chains = absentExtents(sound, fence).map((extent) => chainOf(extent, known.get(extent.segment) ?? []));
    for (const { warnings: found, ...chain } of await storePresent(deps, { target, fence, known, fenced, run })) {
      chains.push(chain);
      warnings.push(...found);
    }
    chains.sort((left, right) => left.segment - right.segment);
    const inPlace = new Set(present);
    const pathInPlace = (segment: SegmentId): string | undefined => (inPlace.has(segment) ? pathOf(segment) : undefined);
    const merging = { chains, storedBefore: extentsOf(known), pathOf: pathInPlace, labelBefore: before?.label, signal: run.signal };
    warnings.push(...(await mergePieces(target, merging)), ...healingWarnings(healing));
    warnings.push(
      ...gapWarnings(
        chains.map(({ segment }) => segment),
        baselineOf(await store.timelines.having(timeline), timeline)?.segment,
      ),
    );
    const segments = chains.map(({ segment, endBytes }) => ({ segment, endBytes }));
    const kept = await keptExtents({ store, fence, fenceKey: input.fenceKey, runId: run.runId }, { format: 1, segments, warnings });
    return { ...kept, healed: healing.damaged.length + healing.missing.length };
  };

type Fenced = { store: Store; fence: Fence; fenceKey: string; runId: string };

/** A log that ends where it was fenced needs no second object. What an attempt before has met and mended, this one doesn't find any more. */
async function keptExtents({ store, fence, fenceKey, runId }: Fenced, extents: StoredExtents): Promise<Omit<StoredSegments, 'healed'>> {
  const plans = store.plans.extents(fence.timeline);
  const isAsFenced = isDeepStrictEqual(extents.segments, fence.segments) && extents.warnings?.length === 0;
  if (isAsFenced && (await plans.find(runId)) === undefined) return { extentsKey: fenceKey, warnings: [] };
  const { key: extentsKey, plan: first } = await plans.keep(runId, extents);
  return { extentsKey, warnings: first.warnings ?? [] };
}

/** From here on the new backup is the newest that is known: nobody finds it out later. */
function rollbackWarnings({ events }: ActivityDeps, { database, name: repository }: Store, rolledBack: RolledBack | undefined): Warning[] {
  if (rolledBack === undefined) return [];
  const { sentence, label } = rolledBack;
  events.record({ kind: 'repository-rolled-back', database, repository, label, sentence });
  return [{ code: 'repository-rolled-back', message: sentence }];
}

/** The archive's small objects have them, and no file: a host with the key packs them. */
function lockedWarnings(segments: readonly SegmentId[]): Warning[] {
  if (segments.length === 0) return [];
  const names = segments.map((segment) => segmentFileName(segment)).join(', ');
  const message = `${names} can’t be packed: only the archive has them, encrypted, and this host has no key that opens it; a backup on a host with the key packs them`;
  return [{ code: 'wrong-key', message }];
}

type Checked = { source: Source; fence: Fence; sound: readonly Piece[]; pathOf: SegmentSource['pathOf'] };

/** Fails: timeline-diverged, source-damaged. */
async function checkSource(target: PieceTarget, { source, fence, sound, pathOf }: Checked): Promise<void> {
  const { stored, newest: listed } = await storedHistory(target.store, source);
  // What this run holds may be gone from the folder by now.
  const newest = Math.max(listed, fence.segments.at(-1)?.segment ?? listed) as SegmentId;
  const streamed = stored.filter(({ key }) => parseStreamKey(key) !== undefined);
  const isThorough = (await seenSource(source))?.isSameBoot !== true;
  await checkContinues(target, { files: fence.segments, pathOf, stored: [...sound, ...streamed], newest, isThorough });
  await noteSource(source);
}

type Present = {
  target: PieceTarget;
  fence: Fence;
  known: ReadonlyMap<SegmentId, readonly Piece[]>;
  fenced: FencedLog;
  run: RunPort;
};

/** Stores what is lacking of each segment in the data directory, while a replay sees its records pass. */
async function storePresent(deps: ActivityDeps, { target, fence, known, fenced, run }: Present): Promise<StoredSegment[]> {
  const file = await checkpointFile(deps, target.store.database, target.timeline);
  const replay = createPassingReplay((await openState(file)) ?? emptyState(file));
  const source = { ...fenced, replay };
  const progress = byteProgress(run, lackingBytes(fence.segments, known));
  const sizeBytesOf = (extent: Extent): number => lackingBytes([extent], known);
  const stored: StoredSegment[] = [];
  for (const batch of batchesOf(fence.segments, { sizeBytesOf, countMax: SIDE_BY_SIDE_MAX })) {
    const works = batch.map((extent) => ({ extent, known: known.get(extent.segment) ?? [], source, run, progress }));
    stored.push(...(await fenced.read(() => storeBatch(target, works))));
  }
  keepReplay(deps.runningBackups, { file, runId: run.runId, replay });
  return stored;
}

/** Without pieces if there is a hole: then there is nothing to merge. */
function chainOf(extent: Extent, stored: readonly Piece[]): SegmentChain {
  const cover = planCover(stored, extent.endBytes);
  return { ...extent, pieces: cover.missing.length === 0 ? cover.pieces : [] };
}

function extentsOf(stored: ReadonlyMap<SegmentId, readonly Piece[]>): Extent[] {
  return [...stored].map(([segment, pieces]) => ({ segment, endBytes: Math.max(...pieces.map(({ endBytes }) => endBytes)) }));
}

type SegmentSource = {
  pathOf: (segment: SegmentId) => string;
  tornTailMs: number;
  /** The same file as its server goes on with it, if another one is read. */
  growingPathOf?: ((segment: SegmentId) => string) | undefined;
  /** Takes each record that is stored now, in the order of the log. */
  replay: Pick<PassingReplay, 'take'>;
};

type SegmentWork = { extent: Extent; known: readonly Piece[]; source: SegmentSource; run: RunPort; progress: ByteProgress };

type StoredSegment = SegmentChain & { warnings: Warning[] };

/** Stores small segments side by side. Their records are replayed in the order of the log, when all are stored. */
async function storeBatch(target: PieceTarget, works: readonly SegmentWork[]): Promise<StoredSegment[]> {
  if (works.length === 1) return allEnded(works.map((work) => storeSegment(target, work)));
  const kept = works.map((work) => {
    const keeper = createRecordKeeper(work.source.replay);
    return { keeper, work: { ...work, source: { ...work.source, replay: keeper } } };
  });
  const stored = await allEnded(kept.map(({ work }) => storeSegment(target, work)));
  for (const { keeper } of kept) keeper.flush();
  return stored;
}

/** How much of these segments no piece covers. */
export function lackingBytes(extents: readonly Extent[], stored: ReadonlyMap<SegmentId, readonly Piece[]>): number {
  const holes = extents.flatMap(({ segment, endBytes }) => planCover(stored.get(segment) ?? [], endBytes).missing);
  return holes.reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0);
}

/** Fills the holes of one segment. Its end is the last stored record's, which may lie past the fence, or before a torn tail. */
export async function storeSegment(target: PieceTarget, work: SegmentWork): Promise<StoredSegment> {
  const stored = await fillHoles(target, work);
  if (stored.endBytes === 0 && work.known.length === 0) await target.store.pieces.putEmpty(target.timeline, stored.segment, target.runId);
  return stored;
}

async function fillHoles(target: PieceTarget, work: SegmentWork): Promise<StoredSegment> {
  const { extent, known, source, run, progress } = work;
  const { segment } = extent;
  const cover = planCover(known, extent.endBytes);
  const pieces = [...known];
  let endBytes = cover.pieces.at(-1)?.endBytes ?? 0;
  for (const hole of cover.missing) {
    const stored = await storeHole(target, segment, { ...hole, source, run, progress });
    pieces.push(...stored.pieces);
    endBytes = Math.max(endBytes, stored.endBytes);
    if (stored.end.kind === 'whole') continue;
    // Bytes that are no records end the segment, and nothing stored may lie behind them.
    const warnings = await tailWarnings(source, segment, stored.end);
    return { ...chainOf({ segment, endBytes: stored.endBytes }, pieces), warnings };
  }
  return { ...chainOf({ segment, endBytes }, pieces), warnings: [] };
}

async function tailWarnings({ pathOf, growingPathOf }: SegmentSource, segment: SegmentId, end: ScanEnd): Promise<Warning[]> {
  // A snapshot may show the beginning of a record that is whole by now: it was promised to nobody.
  if (growingPathOf !== undefined && (await holdsRecord(growingPathOf(segment), end.positionBytes))) return [];
  return [await judgeTail(pathOf(segment), segment, end)];
}

type Hole = { startBytes: number; endBytes: number; source: SegmentSource; run: RunPort; progress: ByteProgress };

/** Stores one hole as pieces of at most about 64 MiB, each at once durable. */
async function storeHole(target: PieceTarget, segment: SegmentId, hole: Hole): Promise<PieceContent & { pieces: Piece[] }> {
  const { source, run, progress } = hole;
  progress.doing(segmentFileName(segment));
  const from = {
    path: source.pathOf(segment),
    tornTailMs: source.tornTailMs,
    signal: run.signal,
    onRecord: (record: RecordView) => {
      progress.add(record.endBytes - record.startBytes);
      source.replay.take(segment, record);
    },
  };
  const pieces: Piece[] = [];
  let startBytes = hole.startBytes;
  for (;;) {
    const targetBytes = Math.min(hole.endBytes, startBytes + PIECE_SIZE_BYTES_MAX);
    const content = await storePiece(target, segment, { ...from, startBytes, targetBytes });
    if (content.records > 0) pieces.push(target.store.pieces.at(target.timeline, { segment, startBytes, endBytes: content.endBytes }));
    if (content.end.kind !== 'whole' || content.endBytes >= hole.endBytes) return { ...content, pieces };
    startBytes = content.endBytes;
  }
}
