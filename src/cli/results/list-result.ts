import type { BackupRow, ListBackupsResult } from '../../contract/list-backups.ts';
import { countText, sizeText, timeText } from '../size-text.ts';
import { tableLines } from '../table.ts';

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

function cells({ label, timeline, extents, records, instances, restorable, verified }: BackupRow): string[] {
  const when = verified === undefined ? 'never' : `${verified.level} ${timeText(verified.atMs)}`;
  return [label, timeline, sizeText(extents.sizeBytes), countText(records), countText(instances), restorable, when];
}
