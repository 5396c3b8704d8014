import { planSlices } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Piece, piecesBySegment } from '../../core/repository/piece.ts';
import type { StreamPiece } from '../../core/repository/stream-piece.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import { wholeUntil } from '../../core/archive/tidying.ts';
import type { Database } from '../../database/database.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import type { Bandwidth } from '../../store/bandwidth.ts';

/** A log that is archived, and by whom. */
export type FollowedLog = {
  deps: Pick<ActivityDeps, 'config' | 'events' | 'requireInstallation'>;
  database: Database;
  store: Store;
  timeline: string;
  /** What stands before this segment is no part of the timeline's log, though its files may lie there; @see filesOfTimeline */
  first: SegmentId;
  bandwidth: Bandwidth;
  run: RunPort;
};

/** What a repository has of one history's log: the listing, and what this process has added to it. */
export type ArchivedLog = {
  readonly timeline: string;
  /** Of wal/ and stream/, the parents' included. */
  piecesOf(segment: SegmentId): readonly Piece[];
  walOf(segment: SegmentId): readonly Piece[];
  all(): Piece[];
  /** The timeline's own ones: what is a parent's stays as it is. */
  streamOf(segment: SegmentId): readonly StreamPiece[];
  segments(): SegmentId[];
  added(piece: StreamPiece): void;
  /** How far each segment is stored without a hole, in order. */
  extents(): Extent[];
};

type StoredRange = { startBytes: number; endBytes: number; signal: AbortSignal };

/** The bytes of a segment, from whatever objects cover them. Fails: missing-object, damaged-object, truncated-object. */
export async function* storedBytes(
  { pieces }: Pick<Store, 'pieces'>,
  stored: readonly Piece[],
  range: StoredRange,
): AsyncGenerator<Uint8Array> {
  const { startBytes, endBytes, signal } = range;
  const plan = planSlices(stored, startBytes, endBytes);
  if (plan.kind === 'missing')
    throw new RstowError('missing-object', `no object of segment ${stored[0]?.segment ?? ''} covers byte ${plan.startBytes}`);
  for (const { piece, skipBytes, takeBytes } of plan.slices) {
    // A part of it shows nothing of the whole.
    if (takeBytes < piece.endBytes - piece.startBytes) await drained(pieces.checkedBytes(piece, signal));
    let positionBytes = 0;
    for await (const chunk of pieces.checkedBytes(piece, signal)) {
      const from = Math.max(0, skipBytes - positionBytes);
      const until = Math.min(chunk.length, skipBytes + takeBytes - positionBytes);
      if (until > from) yield chunk.subarray(from, until);
      positionBytes += chunk.length;
    }
  }
}

async function drained(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of bytes);
}

/** Lists the repository: it is the only record of what is archived. `recalledMs`: @see ListOptions. Fails: timeline-diverged, repository-unavailable. */
export async function readArchivedLog({ pieces, stream }: Store, timeline: string, recalledMs = 0): Promise<ArchivedLog> {
  pieces.relist();
  const wal = piecesBySegment(await pieces.of(timeline, recalledMs));
  const streamed = piecesBySegment(await stream.of(timeline, recalledMs)) as Map<SegmentId, StreamPiece[]>;
  const walOf = (segment: SegmentId): readonly Piece[] => wal.get(segment) ?? [];
  const allStreamOf = (segment: SegmentId): readonly StreamPiece[] => streamed.get(segment) ?? [];
  const piecesOf = (segment: SegmentId): readonly Piece[] => [...walOf(segment), ...allStreamOf(segment)];
  const segments = (): SegmentId[] => [...new Set([...wal.keys(), ...streamed.keys()])].sort((one, other) => one - other);
  return {
    timeline,
    piecesOf,
    walOf,
    all: () => segments().flatMap(piecesOf),
    streamOf: (segment) => allStreamOf(segment).filter((piece) => piece.timeline === timeline),
    segments,
    added: (piece) => {
      const known = streamed.get(piece.segment);
      if (known === undefined) streamed.set(piece.segment, [piece]);
      else known.push(piece);
    },
    extents: () => segments().map((segment) => ({ segment, endBytes: wholeUntil(piecesOf(segment)) })),
  };
}
