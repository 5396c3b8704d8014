import type { PlannedSegment } from '../core/backup/segment-plan.ts';

import { type Selectable, selectBackup } from '../core/backup/selection.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { belongsTo, lineageOf } from '../core/repository/timeline-lineage.ts';
import type { Piece } from '../core/repository/piece.ts';
import type { Manifest } from '../formats/repository/manifest.ts';
import type { Sidecar } from '../formats/repository/sidecar.ts';
import type { Timeline } from '../formats/repository/timeline.ts';
import type { Repository } from '../io/repository/port.ts';
import {
  newestOfTimeline,
  putManifest,
  readableManifest,
  readBackupHistory,
  readManifest,
  selectable,
  type StoredBackups,
} from './backups.ts';
import { type Answers, inEachRepository, repositoriesOf, type StoreDeps } from './each-repository.ts';
import { claimLabel } from './label-claim.ts';
import { claimEverywhere, findOwner, followHistory, formerOwners, type FoundOwner, requireOwner } from './ownership.ts';
import type { Coding } from '../io/coding/port.ts';
import { zstdCoding } from '../io/coding/zstd.ts';
import { listPieces, planFrom } from './planned-segments.ts';
import { newestRestorable, requireRestorableOrName } from './restorable.ts';
import { ensureSidecar, isSoundAtAGlance, readWholePiece, type SidecarShelf } from './sidecar.ts';
import { checkStored } from './stored-object.ts';
import { plainBytes } from './stored-piece.ts';
import { storedSegment } from './stored-segment.ts';
import { createTimeline, readTimelines } from './timelines.ts';
import type { Owner } from '../formats/repository/owner.ts';
import type { Warning } from '../contract/result.ts';

/** Who may write a database's history: the highest generation in any of its repositories. */
export type Ownership = {
  find(): Promise<FoundOwner>;
  /** Before anything is written in the owner's name. Fails: owner-outdated, installation-cloned, repository-unavailable. */
  require(): Promise<Owner>;
  /** The installations that owned the database before, the latest first. */
  former(present: Owner | undefined): Promise<Owner[]>;
  /** Fails: owner-outdated, repository-unavailable. Twice: the same. */
  claim(claim: Owner): Promise<void>;
  /** Goes on with the timeline. Gives a warning if it is an older one than before. Fails: owner-outdated. Twice: no-op. */
  follow(timeline: string): Promise<Warning | undefined>;
};

/** All repositories of one database. */
export type Catalogue = {
  /** The primary first. */
  readonly names: readonly string[];
  readonly owner: Ownership;
  /** Asks each store, one after another; one that is away or out of order is left out, with its reason. */
  each<Found>(ask: (store: Store) => Promise<Found>): Promise<Answers<Found>>;
};

/** The backups of a store, in the order of the history. */
export type Backups = {
  /** The newest first. Listed once for the life of the store. */
  history(): Promise<StoredBackups>;
  /** All that can be named, the newest first. */
  selectable(): Promise<Selectable>;
  /** The manifest of `latest`, a label, or a label's unique beginning. Fails: backup-not-found, damaged-object. */
  find(wanted: string): Promise<Manifest>;
  /** Fails: backup-not-found, damaged-object, format-unsupported. */
  read(label: string): Promise<Manifest>;
  /** Undefined if it is damaged, of a newer version, or gone by now. */
  readable(label: string): Promise<Manifest | undefined>;
  /** The newest readable backup of a timeline's history by another run: what it says of ranges needn't be read again. */
  newestOfTimeline(wanted: { timeline: string; exceptRunId: string }): Promise<Manifest | undefined>;
  /** The label of the newest backup that a restore takes; null if there is none. */
  newestRestorable(): Promise<string | null>;
  /** Fails: wal-gap, naming the backup that can be restored instead. */
  requireRestorable(manifest: Manifest): Promise<void>;
  /** Takes the label for a run if nobody has it; false if it is another run's. Twice: the same answer. */
  claimLabel(claim: { label: string; runId: string }): Promise<boolean>;
  /** Makes the backup exist. Fails: label-taken, object-too-large. Twice: the first manifest stands, and is given. */
  put(manifest: Manifest): Promise<Manifest>;
};

/** For which run, and who is told of what was found on the way. */
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
  /** How to read every segment of a backup, without one object if that is known to be damaged. Fails: missing-object. */
  plan(manifest: Manifest, exceptKey?: string): Promise<PlannedSegment[]>;
  /** What is known of a piece; made anew by reading the piece if it is missing or damaged. */
  sidecar(piece: Piece, run: PieceRun): Promise<Sidecar>;
  /** What a piece holds, by reading all of it. Fails: missing-object, truncated-object, damaged-object. */
  readWhole(piece: Piece, run: PieceRun): Promise<Sidecar>;
  /** Whether the piece is listed with the size that its sidecar says. */
  isSoundAtAGlance(piece: Piece, run: PieceRun): Promise<boolean>;
  /** The plain bytes of a stored object. @see plainBytes */
  bytes(stored: { key: string; signal: AbortSignal; plainBytesMax?: number }): AsyncGenerator<Uint8Array>;
  /** The checked bytes of one planned segment. @see storedSegment */
  segment(read: {
    planned: PlannedSegment;
    signal: AbortSignal;
    onRecord?: (record: { sequence: number }) => void;
  }): AsyncGenerator<Uint8Array>;
  /** Reads a stored object and compares its size and hash; gives the size. Fails: missing-object, truncated-object, damaged-object. */
  check(promised: { key: string; sizeBytes: number; sha256: string }, signal: AbortSignal): Promise<number>;
};

export type Timelines = {
  /** Every history that the database has had, by id. */
  all(): Promise<Map<string, Timeline>>;
  /** Takes the next free id. Twice, for one run: the timeline that it has made already. */
  create(wanted: Omit<Timeline, 'timeline' | 'format'>): Promise<Timeline>;
};

/** What one repository holds of one database. Opened once per activity; what it has listed it remembers for its life. */
export type Store = {
  readonly database: string;
  /** As the config calls the repository. */
  readonly name: string;
  readonly repository: Repository;
  readonly coding: Coding;
  readonly owner: Ownership;
  readonly backups: Backups;
  readonly pieces: Pieces;
  readonly timelines: Timelines;
  /** Once more, before what makes the work count: an emptied or exchanged repository takes an object as well as any. Fails: repository-unavailable. */
  confirm(): Promise<void>;
};

export type Stores = {
  /** The named repository of the database, or its primary. Fails: unknown-database, unknown-repository, repository-unavailable. */
  openStore(database: string, name?: string): Promise<Store>;
  /** Fails: unknown-database. */
  catalogueOf(database: string): Catalogue;
};

export function createStores(deps: StoreDeps): Stores {
  const catalogueOf = (database: string): Catalogue => ({
    names: repositoriesOf(deps, database),
    owner: ownershipOf(deps, database),
    each: async (ask) => inEachRepository(deps, database, (repository, name) => ask(storeOf(deps, { database, name, repository }))),
  });
  return {
    catalogueOf,
    openStore: async (database, wanted) => {
      const name = repositoryNamed(repositoriesOf(deps, database), wanted);
      return storeOf(deps, { database, name, repository: await deps.openRepository(name) });
    },
  };
}

function repositoryNamed(names: readonly string[], wanted: string | undefined): string {
  if (wanted === undefined) return names[0] as string;
  if (names.includes(wanted)) return wanted;
  throw new RstowError('unknown-repository', `the database has no repository "${wanted}"; it has: ${names.join(', ')}`);
}

function ownershipOf(deps: StoreDeps, database: string): Ownership {
  return {
    find: () => findOwner(deps, database),
    require: () => requireOwner(deps, database),
    former: (present) => formerOwners(deps, database, present),
    claim: (claim) => claimEverywhere(deps, database, claim),
    follow: (timeline) => followHistory(deps, database, timeline),
  };
}

type Place = { database: string; name: string; repository: Repository };

function storeOf(deps: StoreDeps, { database, name, repository }: Place): Store {
  return {
    database,
    name,
    repository,
    coding: zstdCoding,
    owner: ownershipOf(deps, database),
    backups: backupsOf(deps, { database, repository }),
    pieces: piecesOf({ database, repository }),
    timelines: {
      all: () => readTimelines(repository, database),
      create: (wanted) => createTimeline(repository, database, wanted),
    },
    confirm: async () => {
      await deps.openRepository(name);
    },
  };
}

function backupsOf(deps: StoreDeps, { database, repository }: Omit<Place, 'name'>): Backups {
  let listed: Promise<StoredBackups> | undefined;
  const history = (): Promise<StoredBackups> => (listed ??= readBackupHistory(deps, repository, database));
  return {
    history,
    selectable: async () => selectable(await history()),
    find: async (wanted) => readManifest(repository, database, selectBackup(selectable(await history()), wanted)),
    read: (label) => readManifest(repository, database, label),
    readable: (label) => readableManifest(repository, database, label),
    newestOfTimeline: (wanted) => newestOfTimeline(repository, database, wanted),
    newestRestorable: () => newestRestorable(deps, repository, database),
    requireRestorable: (manifest) => requireRestorableOrName(deps, repository, manifest),
    claimLabel: (claim) => claimLabel(repository, database, claim),
    put: (manifest) => putManifest(repository, manifest),
  };
}

function piecesOf({ database, repository }: Omit<Place, 'name'>): Pieces {
  let listed = new Map<string, Promise<Piece[]>>();
  const listTimeline = (timeline: string): Promise<Piece[]> => {
    const known = listed.get(timeline) ?? listPieces(repository, database, timeline);
    listed.set(timeline, known);
    return known;
  };
  const scopeOf = (run: PieceRun): SidecarShelf => ({ repository, database, runId: run.runId, warn: run.warn });
  return {
    of: async (timeline) => {
      const lineage = lineageOf(await readTimelines(repository, database), timeline);
      if (lineage === undefined) {
        throw new RstowError('timeline-diverged', `the repository has no timeline ${timeline} of database "${database}"`);
      }
      const pieces: Piece[] = [];
      for (const ancestor of lineage) {
        for (const piece of await listTimeline(ancestor.timeline)) if (belongsTo(ancestor, piece)) pieces.push(piece);
      }
      return pieces;
    },
    relist: () => {
      listed = new Map();
    },
    plan: async (manifest, exceptKey) => planFrom(manifest, { listTimeline, exceptKey }),
    sidecar: (piece, run) => ensureSidecar(scopeOf(run), piece),
    readWhole: (piece, run) => readWholePiece(scopeOf(run), piece),
    isSoundAtAGlance: (piece, run) => isSoundAtAGlance(scopeOf(run), piece),
    bytes: (stored) => plainBytes({ ...stored, repository }),
    segment: (read) => storedSegment({ ...read, repository }),
    check: (promised, signal) => checkStored(repository, promised, signal),
  };
}
