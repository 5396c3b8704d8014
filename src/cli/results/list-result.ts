import type { BackupRow, ListBackupsResult } from '../../contract/list-backups.ts';
import { countText, sizeText } from '../size-text.ts';
import { tableLines } from '../table.ts';
import { standingText } from './standing-text.ts';

const HEAD = ['LABEL', 'TIMELINE', 'LOG', 'RECORDS', 'INSTANCES', 'RESTORABLE', 'VERIFIED'];

export function listLines({ backups, total, unreadable, database, repository }: ListBackupsResult): string[] {
  if (total === 0) return [`no backups of ${database} in ${repository}`];
  const hidden = total - backups.length - unreadable.length;
  return [
    ...tableLines(HEAD, backups.map(cells)),
    ...unreadable.map((label) => `${label}  its manifest can't be read`),
    ...(hidden > 0 ? [`and ${countText(hidden)} older ones`] : []),
  ];
}

function cells(row: BackupRow): string[] {
  const { label, timeline, extents, records, instances, restorable } = row;
  return [label, timeline, sizeText(extents.sizeBytes), countText(records), countText(instances), restorable, standingText(row)];
}
