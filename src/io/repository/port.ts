import type { Readable, Writable } from 'node:stream';

export type ListedObject = { key: string; sizeBytes: number };

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
 * Where backups lie: immutable objects under keys (`assertObjectKey` says which).
 * Fails, everywhere: repository-unavailable, repository-unsupported; where something is written also not-enough-space.
 */
export type Repository = {
  /** For messages: `folder /backup/rstmdb`. */
  readonly description: string;

  /** A small object whole, or undefined if absent. Fails: damaged-object (larger than sizeBytesMax). */
  read(key: string, options: { sizeBytesMax: number }): Promise<Uint8Array | undefined>;

  /** A big object as a stream, or undefined if absent. The stream holds a descriptor until it ends or is destroyed. */
  openRead(key: string, options?: { signal?: AbortSignal }): Promise<Readable | undefined>;

  /** Put if absent, durable when it returns; `exists` leaves the object there as it was. */
  put(key: string, bytes: Uint8Array): Promise<'stored' | 'exists'>;

  /** Begins a streaming put. */
  stage(): Promise<StagedObject>;

  /** All objects whose key begins with `prefix` (any text, not only whole parts), sorted by key. */
  list(prefix: string): AsyncIterable<ListedObject>;

  /** Moves an object (to trash/), durably; replaces what `toKey` held. Twice: no-op when already moved. */
  move(fromKey: string, toKey: string): Promise<void>;

  /** Durable when it returns. Twice: no-op when absent. */
  delete(key: string): Promise<void>;

  /** What can still be written, or undefined where nobody can say. */
  freeBytes(): Promise<number | undefined>;
};
