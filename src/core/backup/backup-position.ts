import { backupKey } from '../repository/object-keys.ts';
import { parseWalOffset, type WalOffset } from '../wal/wal-offset.ts';

/** What decides how new a backup is. Its label is only a name: clocks may be wrong, and runs may be late. */
export type BackupPosition = {
  label: string;
  timeline: string;
  /** The first offset that is not in the backup. */
  end: WalOffset;
  /** Plain bytes of all its segments: an older segment may have been written on though the end stayed. */
  sizeBytes: number;
  /** The clock of the agent that wrote the manifest (Unix ms): it decides between equal logs only. */
  writtenAtMs: number;
};

const POSITION = /\/backups\/([^/]+)\/position-([0-9]{4,9})-([0-9]{1,20})-([0-9]{1,16})-([0-9]{1,16})\.json$/;

/** Says in its name where a backup stands in the history, so that a listing tells the order. Written before the manifest. */
export function positionKey(database: string, { label, timeline, end, sizeBytes, writtenAtMs }: BackupPosition): string {
  return backupKey(database, label, `position-${timeline}-${end}-${sizeBytes}-${writtenAtMs}.json`);
}

/** What such a name says, or undefined for any other key. */
export function positionOfKey(key: string): BackupPosition | undefined {
  const [, label, timeline, endText, sizeBytes, writtenAtMs] = POSITION.exec(key) ?? [];
  const end = parseWalOffset(endText ?? '');
  if (label === undefined || timeline === undefined || end === undefined) return undefined;
  return { label, timeline, end, sizeBytes: Number(sizeBytes), writtenAtMs: Number(writtenAtMs) };
}
