import type { Fence } from '../../formats/repository/fence.ts';
import { type StoredExtents, storedExtentsSchema } from '../../formats/repository/stored-extents.ts';
import { gapWarnings } from '../../contract/backup-warnings.ts';
import type { Warning } from '../../contract/result.ts';
import { planCover } from '../../core/repository/cover.ts';
import { planKey } from '../../core/repository/object-keys.ts';
import { type Piece, piecesBySegment } from '../../core/repository/piece.ts';
import type { RecordView } from '../../core/wal/record-scanner.ts';
import { type SegmentId, segmentFileName } from '../../core/wal/segment-id.ts';
import type { Extent } from '../../core/wal/wal-range.ts';
import { readCheckpoint } from '../../io/agent-state/digest-checkpoint.ts';
import { putSealed } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { type ByteProgress, byteProgress } from '../byte-progress.ts';
import { databaseSettings } from '../../config/database-settings.ts';
import type { RunPort } from '../run-port.ts';
import type { PieceContent } from '../../store/record-cut.ts';
import { allEnded, batchesOf } from '../../store/small-batches.ts';
import { newestOfTimeline } from '../../store/backups.ts';
import { promisedHashes } from '../../store/promised-hashes.ts';
import { storedPieces } from '../../store/timelines.ts';
import { absentExtents } from './absent-segments.ts';
import { checkpointFile } from './checkpoint-file.ts';
import { healingWarnings, putDamagedAside } from './healing.ts';
import { createPassingReplay, createRecordKeeper, type PassingReplay } from './passing-replay.ts';
import { keepReplay } from './running-backups.ts';
import { PIECE_SIZE_BYTES_MAX, type PieceShelf, storePiece } from './piece-store.ts';
import { pinnedPath, readFence } from './pinned-segments.ts';
import { judgeTail } from './segment-tail.ts';
import { checkContinues } from './source-continuity.ts';

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
    const repository = await deps.openRepository(input.repository);
    const fence = await readFence(deps, input.repository, input.fenceKey);
    const before = await newestOfTimeline(repository, database, { timeline, exceptRunId: run.runId });
    const value: StoredExtents = { format: 1, segments: [], warnings: [] };
    const warn = (warning: Warning): void => void value.warnings.push(warning);
    const shelf: PieceShelf = { repository, database, timeline, runId: run.runId, promised: promisedHashes(before), warn };
    const { sound, healing } = await putDamagedAside(shelf, { fence, before, stored: await storedPieces(repository, database, timeline) });
    const pathOf = pathsOf(deps, { database, fence, run });
    await checkContinues(shelf, { fence, stored: sound, pathOf });
    const file = await checkpointFile(deps, database, timeline);
    const replay = createPassingReplay(await readCheckpoint(file));
    const source = { pathOf, tornTailMs: deps.config.timing.tornTailMs, replay };
    const bySegment = piecesBySegment(sound);
    const progress = byteProgress(run, lackingBytes(fence.segments, bySegment));
    const sizeBytesOf = (extent: Extent): number => lackingBytes([extent], bySegment);
    for (const batch of batchesOf(fence.segments, { sizeBytesOf, countMax: SIDE_BY_SIDE_MAX })) {
      const works = batch.map((extent) => ({ extent, known: bySegment.get(extent.segment) ?? [], source, run, progress }));
      for (const { segment, endBytes, warnings } of await storeBatch(shelf, works)) {
        value.segments.push({ segment, endBytes });
        value.warnings.push(...warnings);
      }
    }
    keepReplay(deps.runningBackups, { file, runId: run.runId, replay });
    value.segments = [...absentExtents(sound, fence, before), ...value.segments].sort((left, right) => left.segment - right.segment);
    value.warnings.push(...healingWarnings(healing), ...gapWarnings(value.segments.map(({ segment }) => segment)));
    const extentsKey = planKey(database, run.runId, 'extents');
    await putSealed(repository, extentsKey, { schema: storedExtentsSchema, value });
    return { extentsKey, healed: healing.damaged.length + healing.missing.length, warnings: value.warnings };
  };

function pathsOf(deps: ActivityDeps, of: { database: string; fence: Fence; run: RunPort }): SegmentSource['pathOf'] {
  const { dataDir } = databaseSettings(deps.config, of.database);
  const id = { dataDir, timeline: of.fence.timeline, runId: of.run.runId };
  return (segment) => pinnedPath(deps, { ...id, pin: of.fence.pin }, segment);
}

type SegmentSource = {
  pathOf: (segment: SegmentId) => string;
  tornTailMs: number;
  /** Takes each record that is stored now, in the order of the log. */
  replay: Pick<PassingReplay, 'take'>;
};

type SegmentWork = { extent: Extent; known: readonly Piece[]; source: SegmentSource; run: RunPort; progress: ByteProgress };

type StoredSegment = Extent & { warnings: Warning[] };

/** Stores small segments side by side. Their records are replayed in the order of the log, when all are stored. */
async function storeBatch(shelf: PieceShelf, works: readonly SegmentWork[]): Promise<StoredSegment[]> {
  if (works.length === 1) return allEnded(works.map((work) => storeOne(shelf, work)));
  const kept = works.map((work) => {
    const keeper = createRecordKeeper(work.source.replay);
    return { keeper, work: { ...work, source: { ...work.source, replay: keeper } } };
  });
  const stored = await allEnded(kept.map(({ work }) => storeOne(shelf, work)));
  for (const { keeper } of kept) keeper.flush();
  return stored;
}

async function storeOne(shelf: PieceShelf, work: SegmentWork): Promise<StoredSegment> {
  return { segment: work.extent.segment, ...(await storeSegment(shelf, work)) };
}

/** How much of these segments no piece covers. */
export function lackingBytes(extents: readonly Extent[], stored: ReadonlyMap<SegmentId, readonly Piece[]>): number {
  const holes = extents.flatMap(({ segment, endBytes }) => planCover(stored.get(segment) ?? [], endBytes).missing);
  return holes.reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0);
}

/** Fills the holes of one segment. Its end is the last stored record's, which may lie past the fence, or before a torn tail. */
export async function storeSegment(shelf: PieceShelf, work: SegmentWork): Promise<{ endBytes: number; warnings: Warning[] }> {
  const { extent, known, source, run, progress } = work;
  const cover = planCover(known, extent.endBytes);
  let endBytes = cover.pieces.at(-1)?.endBytes ?? 0;
  for (const hole of cover.missing) {
    const end = await storeHole(shelf, extent.segment, { ...hole, source, run, progress });
    endBytes = Math.max(endBytes, end.endBytes);
    if (end.end.kind === 'whole') continue;
    // Bytes that are no records end the segment, and nothing stored may lie behind them.
    return { endBytes: end.endBytes, warnings: [await judgeTail(source.pathOf(extent.segment), extent.segment, end.end)] };
  }
  return { endBytes, warnings: [] };
}

type Hole = { startBytes: number; endBytes: number; source: SegmentSource; run: RunPort; progress: ByteProgress };

/** Stores one hole as pieces of at most about 64 MiB, each at once durable. */
async function storeHole(shelf: PieceShelf, segment: SegmentId, hole: Hole): Promise<PieceContent> {
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
  let startBytes = hole.startBytes;
  for (;;) {
    const targetBytes = Math.min(hole.endBytes, startBytes + PIECE_SIZE_BYTES_MAX);
    const content = await storePiece(shelf, segment, { ...from, startBytes, targetBytes });
    if (content.end.kind !== 'whole' || content.endBytes >= hole.endBytes) return content;
    startBytes = content.endBytes;
  }
}
