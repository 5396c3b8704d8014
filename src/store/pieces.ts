import { type PlannedSegment, planSegment } from '../core/backup/segment-plan.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { parsePieceKey, type Piece, pieceKey, piecesBySegment, sidecarKey, timelinePrefix } from '../core/repository/piece.ts';
import { belongsTo, lineageOf, type TimelineNode } from '../core/backup/history.ts';
import type { Manifest } from '../formats/repository/manifest.ts';
import { type Sidecar, sidecarSchema } from '../formats/repository/piece.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository, StagedObject } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import type { WalRange } from '../core/wal/wal-offset.ts';
import type { Warning } from '../contract/result.ts';
import { checkStored, plainBytes, type SegmentRead, storedSegment } from './stored-object.ts';
import { isObjectDamage } from '../core/errors/error-table.ts';
import { createDigestStage } from '../io/checksum/checksum.ts';
import { putAside } from './facts.ts';
import { createRecordCut } from './record-cut.ts';

/** For which run, and who hears what was found on the way. */
export type PieceRun = { runId: string; warn?: ((warning: Warning) => void) | undefined };

/** The stored ranges of the log. */
export type Pieces = {
  /**
   * Every piece whose bytes belong to the timeline: its own, and its parents' up to the fork. Listed once for the life of
   * the store. Fails: timeline-diverged, if the repository has no such timeline.
   */
  of(timeline: string): Promise<Piece[]>;
  /** Forgets what was listed: something was stored since, or put aside. */
  relist(): void;
  /**
   * How to read every segment of a backup, without one stored object if that is known to be damaged.
   * Fails: missing-object, naming a piece that no other covers.
   */
  plan(manifest: Manifest, exceptKey?: string): Promise<PlannedSegment[]>;
  /** The piece of these bytes, whether it is stored or not. */
  at(timeline: string, range: WalRange): Piece;
  /** For a piece that is being made: it gets its name when it is whole. Fails: repository-unavailable, not-enough-space. */
  stage(): Promise<StagedObject>;
  /** What is known of a piece; made anew by reading the piece if it is missing or damaged. */
  sidecar(piece: Piece, run: PieceRun): Promise<Sidecar>;
  /** Beside its piece. Twice: the first one stands. */
  putSidecar(piece: Piece, sidecar: Sidecar): Promise<void>;
  /** In the place of one that says what its piece does not hold, and that the run puts aside. */
  replaceSidecar(piece: Piece, sidecar: Sidecar, runId: string): Promise<void>;
  /** Moves a damaged piece out of the way, with its sidecar. Twice: no-op. */
  putAside(piece: Piece, runId: string): Promise<void>;
  /** What a piece holds, by reading all of it. Fails: missing-object, truncated-object, damaged-object. */
  readWhole(piece: Piece, run: PieceRun): Promise<Sidecar>;
  /** Whether the piece is listed with the size that its sidecar says. */
  isSoundAtAGlance(piece: Piece, run: PieceRun): Promise<boolean>;
  /** The plain bytes of a stored object. @see plainBytes */
  bytes(stored: { key: string; signal: AbortSignal; plainBytesMax?: number }): AsyncGenerator<Uint8Array>;
  /** The checked bytes of one planned segment. @see storedSegment */
  segment(read: Omit<SegmentRead, 'repository' | 'coding'>): AsyncGenerator<Uint8Array>;
  /** Reads a stored object and compares its size and hash; gives the size. Fails: missing-object, truncated-object, damaged-object. */
  check(promised: { key: string; sizeBytes: number; sha256: string }, signal: AbortSignal): Promise<number>;
};

type PieceScope = {
  repository: Repository;
  database: string;
  coding: Coding;
  timelines: () => Promise<ReadonlyMap<string, TimelineNode>>;
};

export function piecesOf({ repository, database, coding, timelines }: PieceScope): Pieces {
  let listed = new Map<string, Promise<Piece[]>>();
  const listTimeline = (timeline: string): Promise<Piece[]> => {
    const known = listed.get(timeline) ?? listPieces(repository, database, timeline);
    listed.set(timeline, known);
    return known;
  };
  const putSidecar = async (piece: Piece, sidecar: Sidecar): Promise<void> => {
    await putSealed(repository, sidecarKey(database, piece), { schema: sidecarSchema, value: sidecar });
  };
  const scopeOf = (run: PieceRun): SidecarScope => ({ repository, coding, database, runId: run.runId, warn: run.warn });
  return {
    of: async (timeline) => piecesOfHistory(await timelines(), { database, timeline, listTimeline }),
    relist: () => {
      listed = new Map();
    },
    plan: (manifest, exceptKey) => planFrom(manifest, { listTimeline, exceptKey }),
    at: (timeline, range) => pieceAt(database, timeline, range),
    stage: () => repository.stage(),
    putSidecar,
    replaceSidecar: async (piece, sidecar, runId) => {
      await putAside(repository, sidecarKey(database, piece), runId);
      await putSidecar(piece, sidecar);
    },
    putAside: async (piece, runId) => {
      for (const key of [piece.key, sidecarKey(database, piece)]) await putAside(repository, key, runId);
    },
    sidecar: (piece, run) => ensureSidecar(scopeOf(run), piece),
    readWhole: (piece, run) => readWholePiece(scopeOf(run), piece),
    isSoundAtAGlance: (piece, run) => isSoundAtAGlance(scopeOf(run), piece),
    bytes: (stored) => plainBytes({ ...stored, repository, coding }),
    segment: (read) => storedSegment({ ...read, repository, coding }),
    check: (promised, signal) => checkStored(repository, promised, signal),
  };
}

function pieceAt(database: string, timeline: string, { segment, startBytes, endBytes }: WalRange): Piece {
  return { segment, startBytes, endBytes, timeline, key: pieceKey(database, timeline, { segment, startBytes, endBytes }) };
}

type Listing = { listTimeline: (timeline: string) => Promise<readonly Piece[]> };

async function piecesOfHistory(
  timelines: ReadonlyMap<string, TimelineNode>,
  of: Listing & { database: string; timeline: string },
): Promise<Piece[]> {
  const lineage = lineageOf(timelines, of.timeline);
  if (lineage === undefined) {
    throw new RstowError('timeline-diverged', `the repository has no timeline ${of.timeline} of database "${of.database}"`);
  }
  const pieces: Piece[] = [];
  for (const ancestor of lineage) {
    for (const piece of await of.listTimeline(ancestor.timeline)) if (belongsTo(ancestor, piece)) pieces.push(piece);
  }
  return pieces;
}

async function planFrom(
  manifest: Manifest,
  { listTimeline, exceptKey }: Listing & { exceptKey: string | undefined },
): Promise<PlannedSegment[]> {
  const timelines = new Set(manifest.segments.flatMap(({ ranges }) => ranges.map((range) => range.timeline)));
  const pieces: Piece[] = [];
  for (const timeline of timelines) {
    for (const piece of await listTimeline(timeline)) if (piece.key !== exceptKey) pieces.push(piece);
  }
  const stored = piecesBySegment(pieces);
  return manifest.segments.map((segment) => planSegment(manifest.database, segment, stored.get(segment.segment) ?? []));
}

/** Every piece of one timeline. */
async function listPieces(repository: Repository, database: string, timeline: string): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const key of repository.keys(timelinePrefix(database, timeline))) {
    const piece = parsePieceKey(key);
    if (piece !== undefined) pieces.push(piece);
  }
  return pieces;
}

/** The hash of the plain bytes that a backup promises under each key; none where there is no backup. */
export function promisedHashes(manifest: Manifest | undefined): Map<string, string> {
  if (manifest === undefined) return new Map();
  const { database, segments } = manifest;
  const ranges = segments.flatMap(({ segment, ranges: own }) => own.map((range) => ({ segment, ...range })));
  return new Map(ranges.map((range) => [pieceKey(database, range.timeline, range), range.sha256]));
}

/** What reading a sidecar needs: the run is named where it has to be made anew. */
type SidecarScope = {
  repository: Repository;
  coding: Coding;
  database: string;
  runId: string;
  /** Takes what a person should know of: a damaged sidecar was replaced. */
  warn?: ((warning: Warning) => void) | undefined;
};

/**
 * What is known of a stored piece; where its sidecar is missing or damaged, it is made anew by reading the piece.
 * Fails: missing-object, truncated-object, damaged-object, all of the piece. Twice: the same.
 */
async function ensureSidecar(scope: SidecarScope, piece: Piece): Promise<Sidecar> {
  const key = sidecarKey(scope.database, piece);
  const there = await readUnlessDamaged(scope, key);
  if (there !== undefined && there !== 'damaged') return there;
  const remade = await readWholePiece(scope, piece);
  if (there === 'damaged') {
    await putAside(scope.repository, key, scope.runId);
    scope.warn?.({
      code: 'sidecar-remade',
      message: `${key} was damaged, and was made anew from its piece: see whether the repository’s disk is failing`,
    });
  }
  await putSealed(scope.repository, key, { schema: sidecarSchema, value: remade });
  return remade;
}

/** Whether the piece is listed with the size that its sidecar says; one whose sidecar is lost is read. */
async function isSoundAtAGlance(scope: SidecarScope, piece: Piece): Promise<boolean> {
  try {
    const { storedBytes } = await ensureSidecar(scope, piece);
    for await (const { key, sizeBytes } of scope.repository.list(piece.key)) if (key === piece.key) return sizeBytes === storedBytes;
    return false;
  } catch (error) {
    if (error instanceof RstowError && isObjectDamage(error.code)) return false;
    throw error;
  }
}

/** What a piece holds, by reading all of it. Fails: missing-object, truncated-object, damaged-object. */
async function readWholePiece(scope: SidecarScope, piece: Piece): Promise<Sidecar> {
  const { repository, coding, runId } = scope;
  const stored = createDigestStage();
  const cut = createRecordCut({ startBytes: piece.startBytes, targetBytes: piece.endBytes });
  const { signal } = new AbortController();
  const plainBytesMax = piece.endBytes - piece.startBytes;
  for await (const chunk of plainBytes({ repository, coding, key: piece.key, signal, plainBytesMax, storedStage: stored.stream }))
    cut.push(chunk);
  const { endBytes, records, sha256, lastRecord, end } = cut.content();
  if (endBytes !== piece.endBytes) {
    const fault = end.kind === 'corrupt' ? 'damaged-object' : 'truncated-object';
    throw new RstowError(fault, `${piece.key} holds whole records only up to byte ${endBytes}`, {
      details: { key: piece.key },
    });
  }
  const { sizeBytes, sha256: storedSha256 } = stored.result();
  return { format: 1, runId, sha256, records, storedBytes: sizeBytes, storedSha256, lastRecord };
}

async function readUnlessDamaged({ repository }: SidecarScope, key: string): Promise<Sidecar | 'damaged' | undefined> {
  try {
    return await readSealed(repository, key, sidecarSchema);
  } catch (error) {
    if (error instanceof RstowError && isObjectDamage(error.code)) return 'damaged';
    throw error;
  }
}
