import type { BackupRow } from '../../contract/list-backups.ts';
import { whenText } from '../size-text.ts';

/** What checks have said of a backup; a failure that stands comes before what held earlier. */
export function standingText({ verified, failed }: Pick<BackupRow, 'verified' | 'failed'>): string {
  if (failed !== undefined) return `FAILED ${failed.code} ${whenText(failed.atMs)}`;
  return verified === undefined ? 'never' : `${verified.level} ${whenText(verified.atMs)}`;
}
