import { databaseKey } from '../repository/object-keys.ts';
import { parseWalOffset, type WalOffset } from '../wal/wal-offset.ts';

/**
 * How a backup was made; the last part of its label. `tail` is what a restore has stored of the log that it replaced, `import` an archive
 * that other tools had made.
 */
export const BACKUP_KINDS = ['hot', 'cold', 'lvm', 'zfs', 'import', 'tail'] as const;

export type BackupKind = (typeof BACKUP_KINDS)[number];

/**
 * `20261124T101500Z-hot`: a name for people, by the clock when the backup begins; it decides nothing. `attempt` 1 has no suffix; later ones
 * get `-2`, `-3`, …
 */
export function backupLabel(startedAtMs: number, kind: BackupKind, attempt: number): string {
  const time = new Date(startedAtMs)
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.[0-9]+/, '');
  return `${time}-${kind}${attempt === 1 ? '' : `-${attempt}`}`;
}

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

const POSITION = /\/index\/([0-9]{4,9})\/([0-9]{20})-([0-9]{16})-([0-9]{16})-([A-Za-z0-9][A-Za-z0-9_-]*)\.json$/;

const END_DIGITS = 20;
const NUMBER_DIGITS = 16;

export const indexPrefix = (database: string): string => databaseKey(database, 'index/');

/** All backups of one timeline: listed, the newest comes first. */
export const timelineIndexPrefix = (database: string, timeline: string): string => `${indexPrefix(database)}${timeline}/`;

/**
 * Says in its name where a backup stands in the history, so that a listing gives the order. Written before the manifest.
 * Each digit is nine less the number's own, so that what is newest sorts first, and is found by the first page of a listing.
 */
export function positionKey(database: string, { label, timeline, end, sizeBytes, writtenAtMs }: BackupPosition): string {
  const parts = [nines(end, END_DIGITS), nines(BigInt(sizeBytes), NUMBER_DIGITS), nines(BigInt(writtenAtMs), NUMBER_DIGITS)];
  return `${timelineIndexPrefix(database, timeline)}${parts.join('-')}-${label}.json`;
}

/** What such a name says, or undefined for any other key. */
export function positionOfKey(key: string): BackupPosition | undefined {
  const [, timeline, endNines, sizeNines, writtenNines, label] = POSITION.exec(key) ?? [];
  if (timeline === undefined || label === undefined) return undefined;
  const end = parseWalOffset(String(ninesBack(endNines)));
  if (end === undefined) return undefined;
  return { label, timeline, end, sizeBytes: Number(ninesBack(sizeNines)), writtenAtMs: Number(ninesBack(writtenNines)) };
}

function nines(number: bigint, digits: number): string {
  return String(10n ** BigInt(digits) - 1n - number).padStart(digits, '0');
}

function ninesBack(text = ''): bigint {
  return 10n ** BigInt(text.length) - 1n - BigInt(text);
}
