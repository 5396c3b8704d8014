import type { BackupKind } from './label.ts';

/** What can take a snapshot of the volume that a data directory lies on. */
export const SNAPSHOT_KINDS = ['lvm', 'zfs'] as const satisfies readonly BackupKind[];

export type SnapshotKind = (typeof SNAPSHOT_KINDS)[number];

const RUN_ID = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

/** Hex digits of a run id without its hyphens, which LVM would double in the names of its devices. */
const RUN_LENGTH = 32;

/** With it the name of each snapshot of rstow's begins. */
export const SNAPSHOT_PREFIX = 'rstow-';

/** Says whose a snapshot is, so that one that was left can be found, and nobody else's is taken for it. */
export function snapshotName(database: string, runId: string): string {
  return `${prefixOf(database)}${runId.replaceAll('-', '')}`;
}

/** The run that a snapshot of this database was taken for; undefined if the name is not one of them. */
export function runOfSnapshot(database: string, name: string): string | undefined {
  const digits = name.slice(-RUN_LENGTH);
  if (name !== `${prefixOf(database)}${digits}`) return undefined;
  return RUN_ID.exec(digits)?.slice(1).join('-');
}

const prefixOf = (database: string): string => `${SNAPSHOT_PREFIX}${database}-`;
