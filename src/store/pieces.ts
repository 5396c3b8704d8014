import { type PlannedSegment, planSegment, planSlices } from '../core/backup/segment-plan.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { sidecarKey } from '../core/repository/coded-name.ts';
import { parsePieceKey, type Piece, pieceKey, piecesBySegment, rangeKey, rangeKeyOf } from '../core/repository/piece.ts';
import { parseStreamKey } from '../core/repository/stream-piece.ts';
import { belongsTo, lineageOf, type TimelineNode } from '../core/backup/history.ts';
import type { Manifest, ManifestSegment } from '../formats/repository/manifest.ts';
import { type Sidecar, sidecarSchema } from '../formats/repository/piece.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository, StagedObject } from '../io/repository/port.ts';
import { putSealed } from '../io/repository/sealed-object.ts';
import type { SegmentId, WalRange } from '../core/wal/wal-offset.ts';
import { encodedBytes, type SegmentRead, storedSegment } from './stored-object.ts';
import { isLocked, isObjectDamage } from '../core/errors/error-table.ts';
import { makeRoom, putAside } from './facts.ts';
import { listPieces, rememberedListing } from './listed-pieces.ts';
import { inPresentForm, presentBytes } from './present-form.ts';
import type { PieceContent } from './record-cut.ts';
import { type Hashes, type PieceRun, requireThere, type Sidecars, sidecarsOf } from './sidecars.ts';

/** The stored ranges of the log. */
export type Pieces = {
  /**
   * Every piece whose bytes belong to the timeline: its own, and its parents' up to the fork. Listed once for the life of
   * the store; where calls cost, `recalledMs` says how long before it will do. Fails: timeline-diverged, if the repository has no such timeline.
   */
  of(timeline: string, recalledMs?: number): Promise<Piece[]>;
  /** Forgets what was listed: something was stored since, or put aside. */
  relist(): void;
  /** Whether a piece was listed without its sidecar, as it is if somebody has died between the two. */
  isBare(piece: Piece): boolean;
  /** How to read every segment of a log. Fails: missing-object, naming a piece that no other covers. */
  plan(log: LogToPlan, wanted?: PlanWanted): Promise<PlannedSegment[]>;
  /** The piece of these bytes, whether it is stored or not. */
  at(timeline: string, range: WalRange): Piece;
  /** For a piece that is being made: it gets its name, most likely this key, when it is whole. Fails: repository-unavailable, not-enough-space. */
  stage(expectedKey: string): Promise<StagedObject>;
  /** Notes that a segment is part of the log though it has no record: it may be deleted before it gets one. Twice: no-op. */
  putEmpty(timeline: string, segment: SegmentId, runId: string): Promise<void>;
  /** What is known of a piece; made anew by reading the piece if it is missing or damaged. */
  sidecar(piece: Piece, run: PieceRun): Promise<Sidecar>;
  /** Beside its piece. Twice: the first one stands. */
  putSidecar(piece: Piece, sidecar: Sidecar): Promise<'stored' | 'exists'>;
  /** In the place of one that says what its piece does not hold, and that the run puts aside. */
  replaceSidecar(piece: Piece, sidecar: Sidecar, runId: string): Promise<void>;
  /** Moves a damaged piece out of the way, with its sidecar. Twice: no-op. */
  putAside(piece: Piece, runId: string): Promise<void>;
  /** The same of one that was found in the place of the run's own, whatever the run has put aside before. */
  makeRoom(piece: Piece, runId: string): Promise<void>;
  /** What a piece holds, by reading all of it. Fails: missing-object, truncated-object, damaged-object. */
  readWhole(piece: Piece, run: PieceRun): Promise<Sidecar>;
  /**
   * What a piece holds from a record's boundary on, by its sidecar or by reading it. Writes nothing.
   * Fails: missing-object, truncated-object, damaged-object.
   */
  contentFrom(piece: Piece, fromBytes: number, signal: AbortSignal): Promise<Pick<PieceContent, 'sha256' | 'records'>>;
  /**
   * Its plain bytes, to be stored anew: the last of them come once all are what its sidecar says, or its name. Fails: missing-object, truncated-object,
   * damaged-object, untrusted-object.
   */
  checkedBytes(piece: Piece, signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /** Whether the piece is listed with the size that its sidecar says. */
  isSoundAtAGlance(piece: Piece, run: PieceRun): Promise<boolean>;
  /** The plain bytes of a stored object. @see plainBytes */
  bytes(stored: { key: string; signal: AbortSignal; plainBytesMax?: number }): AsyncGenerator<Uint8Array>;
  /** The checked bytes of one planned segment; what was deleted since it was planned is read from what covers it. @see storedSegment */
  segment(read: Omit<SegmentRead, 'repository' | 'coding' | 'otherSlices'>): AsyncGenerator<Uint8Array>;
  /**
   * Reads a piece as it is stored, and compares its size and hash with its sidecar; gives what that says. Fails: missing-object,
   * truncated-object, damaged-object.
   */
  check(piece: Piece, run: PieceRun, signal: AbortSignal): Promise<Pick<Sidecar, 'sha256' | 'storedBytes'>>;
};

/** Of a manifest, or a part of one, or as an archive has made it longer. */
type LogToPlan = { database: string; segments: readonly ManifestSegment[] };

export type PlanWanted = {
  /** Without this object, which is known to be damaged. */
  exceptKey?: string | undefined;
  /** Without what only the continuous archive has: it will be deleted. */
  withoutStream?: boolean;
};

type PieceScope = {
  repository: Repository;
  database: string;
  coding: Coding;
  timelines: (timeline: string) => Promise<ReadonlyMap<string, TimelineNode>>;
  /** The newest backup of a timeline's history. */
  newestOf: (timeline: string) => Promise<Manifest | undefined>;
  /** What the continuous archive has of one timeline. */
  streamOf: (timeline: string) => Promise<readonly Piece[]>;
};

export function piecesOf(own: PieceScope): Pieces {
  const { repository, database, coding, timelines, streamOf } = own;
  const { listTimeline, ...listing } = rememberedListing(own);
  const putSidecar = (piece: Piece, sidecar: Sidecar): Promise<'stored' | 'exists'> =>
    putSealed(repository, sidecarKey(piece.key), { schema: sidecarSchema, value: sidecar });
  const promisedOf = rememberedPromises(own);
  const sidecars = sidecarsOf({ repository, coding, promisedOf });
  const at = (timeline: string, range: WalRange): Piece => pieceAt(own, timeline, range);
  return {
    of: async (timeline, recalledMs) => {
      const listOne = (one: string): Promise<Piece[]> => listTimeline(one, recalledMs);
      const listed = await piecesOfHistory(await timelines(timeline), { database, timeline, listTimeline: listOne });
      return sidecars.trusted(listed, await promisedOf(timeline));
    },
    ...listing,
    plan: (log, wanted = {}) => planFrom(log, { ...wanted, suffix: coding.suffix, listTimeline, streamOf, sidecars }),
    at,
    stage: (expectedKey) => repository.stage(expectedKey),
    putEmpty: async (timeline, segment, runId) => {
      const empty = at(timeline, { segment, startBytes: 0, endBytes: 0 });
      await repository.put(empty.key, await encodedBytes(coding, []));
      await putSidecar(empty, await sidecars.ofEmpty(empty, runId));
    },
    putSidecar,
    replaceSidecar: async (piece, sidecar, runId) => {
      await putAside(repository, sidecarKey(piece.key), runId);
      await putSidecar(piece, sidecar);
    },
    putAside: async (piece, runId) => {
      for (const key of [piece.key, sidecarKey(piece.key)]) await putAside(repository, key, runId);
    },
    makeRoom: async (piece, runId) => {
      for (const key of [piece.key, sidecarKey(piece.key)]) await makeRoom(repository, key, runId);
    },
    ...knownPieces(repository, sidecars),
    bytes: (stored) => presentBytes({ ...stored, repository, coding }),
    segment: (read) => storedSegment({ ...read, repository, coding, otherSlices: (slice) => otherSlices({ ...own, sidecars }, slice) }),
  };
}

type KnownPieces = Pick<Pieces, 'sidecar' | 'readWhole' | 'contentFrom' | 'checkedBytes' | 'isSoundAtAGlance' | 'check'>;

/** In whatever form a piece is stored by now. */
function knownPieces(repository: Repository, sidecars: Sidecars): KnownPieces {
  const present = <T>(piece: Piece, work: (form: Piece) => Promise<T>): Promise<T> =>
    inPresentForm(repository, piece.key, (key) => work({ ...piece, key }));
  return {
    sidecar: (piece, run) => present(piece, (form) => sidecars.ensure(form, run)),
    readWhole: (piece, run) => present(piece, (form) => sidecars.readWhole(form, run.runId)),
    contentFrom: (piece, fromBytes, signal) => present(piece, (form) => sidecars.contentFrom(form, fromBytes, signal)),
    checkedBytes: async function* (piece, signal) {
      const key = await inPresentForm(repository, piece.key, async (form) => requireThere(repository, form));
      yield* sidecars.checkedBytes({ ...piece, key }, signal);
    },
    isSoundAtAGlance: (piece, run) => unlessDamaged(present(piece, (form) => sidecars.isSoundAtAGlance(form, run))),
    check: (piece, run, signal) => present(piece, (form) => sidecars.check(form, run, signal)),
  };
}

/** What the newest backup promises is asked only where it has to be known. */
function rememberedPromises({ repository, newestOf }: PieceScope): (timeline: string) => Promise<Hashes> {
  const known = new Map<string, Hashes>();
  return async (timeline) => {
    if (repository.signing?.isRequired !== true) return NO_HASHES;
    const hashes = known.get(timeline) ?? promisedHashes(await newestOf(timeline));
    known.set(timeline, hashes);
    return hashes;
  };
}

const NO_HASHES: Hashes = new Map();

function pieceAt({ database, coding }: PieceScope, timeline: string, { segment, startBytes, endBytes }: WalRange): Piece {
  const key = pieceKey(database, timeline, { segment, startBytes, endBytes, suffix: coding.suffix });
  return { segment, startBytes, endBytes, timeline, key };
}

type Listing<Kind extends Piece = Piece> = { listTimeline: (timeline: string) => Promise<readonly Kind[]> };

/** Those of a timeline and of its parents up to each fork. Fails: timeline-diverged. */
export async function piecesOfHistory<Kind extends Piece>(
  timelines: ReadonlyMap<string, TimelineNode>,
  of: Listing<Kind> & { database: string; timeline: string },
): Promise<Kind[]> {
  const lineage = lineageOf(timelines, of.timeline);
  if (lineage === undefined) {
    throw new RstowError('timeline-diverged', `the repository has no timeline ${of.timeline} of database "${of.database}"`);
  }
  const pieces: Kind[] = [];
  for (const ancestor of lineage) {
    for (const piece of await of.listTimeline(ancestor.timeline)) if (belongsTo(ancestor, piece)) pieces.push(piece);
  }
  return pieces;
}

type Planning = Listing & PlanWanted & Pick<PieceScope, 'streamOf'> & { suffix: string; sidecars: Sidecars };

/** The log's own pieces serve first; sidecars are read, and what the archive alone has is listed, only if there is need of it. */
async function planFrom(log: LogToPlan, planning: Planning): Promise<PlannedSegment[]> {
  const { suffix, streamOf, exceptKey, withoutStream = false } = planning;
  const { database } = log;
  const { named, trusted } = listingsFor(log, planning);
  const timelines = new Set(log.segments.flatMap(({ ranges }) => ranges.map((range) => range.timeline)));
  const planWith = async (lists: readonly Listing['listTimeline'][]): Promise<PlannedSegment[]> => {
    const pieces: Piece[] = [];
    for (const timeline of timelines) {
      for (const list of lists) for (const piece of await list(timeline)) if (piece.key !== exceptKey) pieces.push(piece);
    }
    const stored = piecesBySegment(pieces);
    return log.segments.map((segment) => planSegment({ database, suffix }, segment, stored.get(segment.segment) ?? []));
  };
  const attempts = [[named], [trusted], [streamOf, trusted]].slice(0, withoutStream ? 2 : 3);
  for (const [index, lists] of attempts.entries()) {
    try {
      return await planWith(lists);
    } catch (error) {
      if (index === attempts.length - 1 || !(error instanceof RstowError) || error.code !== 'missing-object') throw error;
    }
  }
  return [];
}

/** `named`: what has the name of a range of the log, which may be all that is needed; `trusted`: all that may be used for it. */
function listingsFor(log: LogToPlan, { listTimeline, sidecars }: Planning): Record<'named' | 'trusted', Listing['listTimeline']> {
  const promised = promisedHashes(log);
  const segments = new Set(log.segments.map(({ segment }) => segment));
  return {
    named: async (timeline) => (await listTimeline(timeline)).filter(({ key }) => promised.has(rangeKeyOf(key))),
    trusted: async (timeline) => {
      const listed = await listTimeline(timeline);
      return sidecars.trusted(
        listed.filter(({ segment }) => segments.has(segment)),
        promised,
      );
    },
  };
}

type StoredSlice = PlannedSegment['slices'][number];

/** Where the same bytes are stored by now, if the object of a slice is gone; undefined if nowhere. */
async function otherSlices(
  scope: PieceScope & { sidecars: Sidecars },
  { key, skipBytes, takeBytes }: StoredSlice,
): Promise<StoredSlice[] | undefined> {
  const gone = parsePieceKey(key) ?? parseStreamKey(key);
  if (gone === undefined) return undefined;
  // The archive's first: what goes away there is in the log by then.
  const streamed = await scope.streamOf(gone.timeline);
  const stored = (await listPieces(scope, gone.timeline)).filter(({ segment }) => segment === gone.segment);
  const listed = [...streamed, ...(await scope.sidecars.trusted(stored, NO_HASHES))];
  const others = listed.filter((piece) => piece.segment === gone.segment && piece.key !== key);
  const startBytes = gone.startBytes + skipBytes;
  const plan = planSlices(others, startBytes, startBytes + takeBytes);
  return plan.kind === 'missing' ? undefined : plan.slices.map(({ piece, ...part }) => ({ key: piece.key, ...part }));
}

/** The hash of the plain bytes that a backup promises of each of its ranges, by `rangeKey`; none where there is no backup. */
export function promisedHashes(log: LogToPlan | undefined): Map<string, string> {
  if (log === undefined) return new Map();
  const { database, segments } = log;
  const ranges = segments.flatMap(({ segment, ranges: own }) => own.map((range) => ({ segment, ...range })));
  return new Map(ranges.map((range) => [rangeKey(database, range.timeline, range), range.sha256]));
}

async function unlessDamaged(looking: Promise<boolean>): Promise<boolean> {
  try {
    return await looking;
  } catch (error) {
    // What can't be opened here, and has no sidecar, nobody here can vouch for.
    if (error instanceof RstowError && (isObjectDamage(error.code) || isLocked(error))) return false;
    throw error;
  }
}
