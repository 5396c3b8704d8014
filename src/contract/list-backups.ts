import type { BackupSummary } from './hot-backup.ts';
import type { CheckSummary } from '../core/backup/checks.ts';
import type { Hold } from '../core/retention/hold.ts';
import { commonFields, inputParser, integerField, optional, type Parsed } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = { ...commonFields, /** The newest so many; 100 where absent. */ limit: optional(integerField(1, 200)) };

/** The backups of a database, newest first by their history; those of abandoned histories come last. */
export type ListBackupsInput = Parsed<typeof fields>;

export const parseListBackupsInput = inputParser('listBackups', fields);

export type BackupRow = Pick<
  BackupSummary,
  'kind' | 'label' | 'timeline' | 'extents' | 'records' | 'machines' | 'instances' | 'stateDigest' | 'restorable'
> & {
  /** False for a backup whose history a restore or a recovery has left: `latest` is never one of these. */
  isInUse: boolean;
  /** When it began (Unix ms). */
  createdAtMs: number;
  /** Bytes that it added to the repository. */
  bytesStored: number;
  /** Of a database with several repositories: those that have it, in the order of the config. */
  copies?: CopyState[] | undefined;
  /** Who keeps it from expiring; absent if nobody does. */
  holds?: Omit<Hold, 'label'>[] | undefined;
} & CheckSummary;

/** What checks have found of one repository's copy, as far as their names say. */
export type CopyState = { repository: string; verified?: CheckSummary['verified']; /** When (Unix ms). */ failedAtMs?: number | undefined };

/** What a list of backups warns of: a clock was wrong. */
export function clockSentence(labels: readonly string[]): string {
  return `by the clock ${labels.join(', ')} came later than backups that hold more of the log: the order is that of the log`;
}

/** What a list of backups warns of. */
export function failedSentence({ label, failed }: BackupRow): string {
  return `backup ${label} failed its last check: ${failed?.sentence ?? ''}`;
}

/** What a list of backups warns of: a restore of `latest` would be refused. */
export function unrestorableSentence(label: string, newestRestorable: string | null): string {
  const instead = newestRestorable === null ? 'no other can be restored either' : `the newest that can be restored is ${newestRestorable}`;
  return `the newest backup, ${label}, can’t be restored, because log is missing; ${instead}`;
}

/** What a list of backups warns of: its copies are not counted. */
export function unaskedSentence(repository: string, message: string): string {
  return `repository ${repository} could not be asked which backups it has: ${message}`;
}

/** A backup that is there, and can't be read: `format-unsupported`, by a newer rstow; else its manifest is damaged. */
export type UnreadableBackup = { label: string; code: string; sentence: string };

/** What a list of backups warns of. */
export function unreadableSentence({ label, sentence }: UnreadableBackup): string {
  return `the manifest of ${label} can't be read: ${sentence}`;
}

export type ListBackupsResult = CommonResult & {
  repository: string;
  backups: BackupRow[];
  total: number;
  unreadable: UnreadableBackup[];
  /** Labels of backups that hold less of the history than one that is older by the clock: at most 5. */
  laterByClock: string[];
  /** Only where the newest in use can't be restored: the newest that can, or null. */
  newestRestorable?: string | null | undefined;
  /** Of a database with several repositories: how many are to have each backup. */
  copiesWanted?: number | undefined;
  /** The repositories that could not be asked. */
  away?: { repository: string; code: string; message: string }[] | undefined;
};
