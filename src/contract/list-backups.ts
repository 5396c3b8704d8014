import type { BackupSummary } from './hot-backup.ts';
import type { BackupStanding } from '../core/backup/standing.ts';
import { integerField, optional, type Parsed } from './input-field.ts';
import type { CommonResult } from './result.ts';
import { commonFields, inputParser } from './workflow-input.ts';

const fields = { ...commonFields, /** The newest so many; 100 where absent. */ limit: optional(integerField(1, 200)) };

/** The backups of a database, newest first. */
export type ListBackupsInput = Parsed<typeof fields>;

export const parseListBackupsInput = inputParser('listBackups', fields);

export type BackupRow = Pick<
  BackupSummary,
  'label' | 'timeline' | 'extents' | 'records' | 'machines' | 'instances' | 'stateDigest' | 'restorable'
> &
  BackupStanding;

/** What a list of backups warns of. */
export function failedSentence({ label, failed }: BackupRow): string {
  return `backup ${label} failed its last check: ${failed?.sentence ?? ''}`;
}

export type ListBackupsResult = CommonResult & {
  repository: string;
  backups: BackupRow[];
  /** How many there are, and labels whose manifest can't be read. */
  total: number;
  unreadable: string[];
};
