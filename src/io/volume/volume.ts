import type { SnapshotKind } from '../../core/backup/snapshot.ts';

/** What a data directory lies on, if its state at one moment can be kept and read beside it. Found from the directory itself. */
export type Volume = {
  readonly kind: SnapshotKind;
  /** As its own tools call it: `vg0/rstmdb`, `tank/rstmdb`. */
  readonly name: string;

  /** Whether a snapshot can be taken now. Changes nothing. Fails: not-enough-space, snapshot-unsupported, permission-denied. */
  requireRoom(): Promise<void>;

  /**
   * Takes the snapshot: all that was written before the call is in it, nothing that is written after its return. Then makes it readable.
   * Fails: not-enough-space, snapshot-unsupported, snapshot-overflowed, failed. Twice: the same one, made readable again if need be.
   */
  take(name: string): Promise<VolumeSnapshot>;

  /** Undefined if there is none of that name. Fails: snapshot-overflowed, for then what was read of it may be wrong. */
  inspect(name: string): Promise<VolumeSnapshot | undefined>;

  /** Removes the snapshot, and what made it readable, also one that overflowed or was half made. Fails: failed. Twice: no-op. */
  drop(name: string): Promise<void>;

  /** What there is of this volume under names of rstow's, half made ones included. */
  list(): Promise<ListedSnapshot[]>;
};

export type VolumeSnapshot = {
  /** The data directory as it was. */
  dataDir: string;
  takenAtMs: number;
  /** What it may hold of overwritten blocks until it overflows; absent if it has no size of its own. */
  sizeBytes?: number | undefined;
  /** Of that size: 0 to 100. */
  usedPercent?: number | undefined;
};

export type ListedSnapshot = { name: string; takenAtMs: number };

/** Where a volume is looked for. */
export type VolumePlace = {
  /** Of the database server. */
  dataDir: string;
  /** Under it a snapshot gets a folder of its own, if it has to be mounted; absent until then. */
  mountRoot: string;
};
