import { SNAPSHOT_KINDS } from '../core/backup/snapshot.ts';
import type { HotBackupResult } from './hot-backup.ts';
import { booleanField, choiceField, commonFields, inputParser, nameField, optional, type Parsed } from './input-field.ts';

const fields = {
  ...commonFields,
  /** Gives the backup's end this name: a point that can be recovered by it. */
  mark: optional(nameField),
  /** The kind that `databases.<name>.snapshot` in the agent's config must have; whichever it has if absent. */
  snapshot: optional(choiceField(...SNAPSHOT_KINDS)),
  /** Stores the stream of `zfs send` as well: the whole data set, for `zfs receive`. Default false. */
  stream: optional(booleanField),
};

/** A backup of a running server, copied from a snapshot of the volume that its data lie on. */
export type SnapshotBackupInput = Parsed<typeof fields>;

export const parseSnapshotBackupInput = inputParser('snapshotBackup', fields);

/** The snapshot that a backup was copied from. It is gone by then. */
export type SnapshotFacts = {
  /** What it was taken of: `vg0/rstmdb`, `tank/rstmdb`. */
  volume: string;
  name: string;
  /** What it may hold of overwritten blocks until it overflows; absent if it has no size of its own. */
  sizeBytes?: number | undefined;
  /** Of that size, when it was dropped: 0 to 100. */
  usedPercent?: number | undefined;
  /** From the moment that it shows to its end. */
  heldMs: number;
};

/** The whole data set, as `zfs send` gave it and as it is stored. */
export type StreamFacts = { streamBytes: number; storedBytes: number };

export type SnapshotBackupResult = HotBackupResult & { snapshot?: SnapshotFacts | undefined; stream?: StreamFacts | undefined };
