import type { Readable, Writable } from 'node:stream';
import type { Signing } from '../../core/repository/signing.ts';

export type ListedObject = {
  key: string;
  sizeBytes: number;
  /** Unix ms by the clock of whoever keeps the object: for ages of days, never for an order. */
  modifiedAtMs: number;
};

/** `startBytes` belongs to it, `endBytes` doesn't. Where it reaches past the object's end, it ends there. */
export type ByteRange = { startBytes: number; endBytes: number };

export type ListOptions = {
  /** Only keys that sort after this one. It need not exist, nor begin with the prefix. */
  startAfter?: string | undefined;
  signal?: AbortSignal | undefined;
  recalledMs?: RecalledMs;
};

/**
 * An answer that this process had so long ago will do, with what it has put and deleted since: what others do shows later. Only a
 * repository whose calls cost remembers any, and only answers to whoever said how old one may be; 0: a new one.
 */
type RecalledMs = number | undefined;

export type KeysOptions = ListOptions & {
  /**
   * What lies deeper than one part below the prefix's last `/` is given only once, as its folder:
   * `backups/` gives `backups/20261129T101500Z-hot/`, and may also if nothing is left in there.
   */
  folded?: boolean | undefined;
};

export type ReadOptions = {
  range?: ByteRange | undefined;
  /** Not the present object, but this version of it. */
  versionId?: string | undefined;
  signal?: AbortSignal | undefined;
};

/** What a key has held, where a repository keeps that. */
export type ObjectVersion = { key: string; versionId: string; sizeBytes: number; modifiedAtMs: number };

/** What differs between backends, as data: whoever plans asks here and never what kind of repository it is. */
export type RepositoryProperties = {
  /** Calls that make sense side by side; more would wait for each other, or take threads from other repositories. */
  connections: number;
  /** A staged put is kept on a local disk, or in memory, until its commit sends it. */
  spools: boolean;
  /** Of two hosts that put one key at the same time exactly one is answered `stored`. What can't do that is refused. */
  conditionalPut: boolean;
  /** A call may fail and succeed a moment later, as over a network: such a repository is opened with retries. */
  failsInPassing: boolean;
  /** Each call but a deletion is paid for, as a bucket's are: nothing asks it again without need. */
  callsCost: boolean;
};

/**
 * A streaming put whose key is known for sure only at its end. Pipe into `sink`, then commit or discard;
 * what is neither (the process died) is never listed and is cleared after a day.
 */
export type StagedObject = {
  /** Has taken everything, durably, once it has finished. */
  readonly sink: Writable;

  /** Whether it can be committed under this key: what was sent under its expected key already can't get another. */
  takes(key: string): boolean;

  /** Put if absent, durable when it returns. `exists` leaves the object there as it was, and what is staged may be committed again. Only after the sink finished. */
  commit(key: string): Promise<'stored' | 'exists'>;

  /** Leaves nothing behind. Twice, or after a commit: no-op. */
  discard(): Promise<void>;
};

/**
 * Where backups lie: immutable objects under keys (`assertObjectKey` says which). docs/next-backend.md is the guide for
 * another one; test/suites/repository-suite.ts asks each of them for what is promised here.
 * Fails, everywhere: repository-unavailable, repository-unsupported; where something is written also not-enough-space.
 * An aborted signal ends what is under way with an AbortError.
 */
export type Repository = {
  /** For messages: `folder /backup/rstmdb`. */
  readonly description: string;

  readonly properties: RepositoryProperties;

  /** The opener's, and no matter of a backend: how sealed objects are signed, and which signatures they must bear. */
  readonly signing?: Signing | undefined;

  /** A small object whole, or undefined if absent. Fails: damaged-object (larger than sizeBytesMax). */
  read(
    key: string,
    options: { sizeBytesMax: number; versionId?: string | undefined; recalledMs?: RecalledMs },
  ): Promise<Uint8Array | undefined>;

  /** A big object, or a range of it, as a stream; undefined if absent. It holds a descriptor until it ends or is destroyed. */
  openRead(key: string, options?: ReadOptions): Promise<Readable | undefined>;

  /** Put if absent, durable when it returns; `exists` leaves the object there as it was. */
  put(key: string, bytes: Uint8Array): Promise<'stored' | 'exists'>;

  /** Begins a streaming put, most likely of this key: under it a big object may be sent while it comes. */
  stage(expectedKey: string): Promise<StagedObject>;

  /** All objects whose key begins with `prefix` (any text, not only whole parts), sorted by key. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>;

  /** The keys of what `list` gives: a folder need not ask its disk about each object. */
  keys(prefix: string, options?: KeysOptions): AsyncIterable<string>;

  /** Moves an object (to trash/), durably; replaces what `toKey` held. Twice: no-op when already moved. */
  move(fromKey: string, toKey: string): Promise<void>;

  /** Any number of them, durably when it returns; one that fails or is aborted has deleted some. Twice: no-op where absent. */
  deleteMany(keys: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<void>;

  /** What can still be written, or undefined where nobody can say. */
  freeBytes(): Promise<number | undefined>;

  /**
   * All that keys which begin with `prefix` have held, also before it was replaced or deleted: sorted by key, of each key the newest
   * first. Only a kind that may keep it has this; if it keeps nothing, these are the present objects.
   */
  versions?: ((prefix: string, options?: { signal?: AbortSignal | undefined }) => AsyncIterable<ObjectVersion>) | undefined;

  /**
   * Keeps the objects, if they are there, from being deleted for good until then at least. Only a kind that can; it takes a
   * few hundred at once. Twice: no-op.
   */
  retainUntil?: ((keys: readonly string[], untilMs: number) => Promise<void>) | undefined;
};
