import type { Readable, Writable } from 'node:stream';

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
};

export type KeysOptions = ListOptions & {
  /**
   * What lies deeper than one part below the prefix's last `/` is given only once, as its folder:
   * `backups/` gives `backups/20261129T101500Z-hot/`, and may also if nothing is left in there.
   */
  folded?: boolean | undefined;
};

export type ReadOptions = { range?: ByteRange | undefined; signal?: AbortSignal | undefined };

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
};

/**
 * A streaming put whose key is known only at its end. Pipe into `sink`, then commit or discard;
 * what is neither (the process died) is never listed and is cleared after a day.
 */
export type StagedObject = {
  /** Has taken everything, durably, once it has finished. */
  readonly sink: Writable;

  /** Put if absent, durable when it returns; `exists` leaves the object there as it was. Only after the sink finished. */
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

  /** A small object whole, or undefined if absent. Fails: damaged-object (larger than sizeBytesMax). */
  read(key: string, options: { sizeBytesMax: number }): Promise<Uint8Array | undefined>;

  /** A big object, or a range of it, as a stream; undefined if absent. It holds a descriptor until it ends or is destroyed. */
  openRead(key: string, options?: ReadOptions): Promise<Readable | undefined>;

  /** Put if absent, durable when it returns; `exists` leaves the object there as it was. */
  put(key: string, bytes: Uint8Array): Promise<'stored' | 'exists'>;

  /** Begins a streaming put. */
  stage(): Promise<StagedObject>;

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
};
