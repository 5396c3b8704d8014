import type { DescribeDatabaseResult } from '../../contract/describe-database.ts';
import { countText, sizeText, timeText } from '../size-text.ts';
import { factLines } from '../table.ts';

export function infoLines({ database, repository, owner, latest, backups, timelines, freeBytes }: DescribeDatabaseResult): string[] {
  const verified = latest?.verified;
  return factLines([
    ['database', database],
    [
      'owner',
      owner === null ? 'nobody yet' : `agent ${owner.agent} (installation ${owner.installationId}, generation ${owner.generation})`,
    ],
    ['repository', freeBytes === null ? repository : `${repository}, ${sizeText(freeBytes)} free`],
    ['timelines', countText(timelines)],
    ['backups', countText(backups)],
    ['latest', latest === null ? 'none' : `${latest.label}, ${sizeText(latest.extents.sizeBytes)} of log, restorable ${latest.restorable}`],
    ['verified', verified === undefined ? 'never' : `${verified.level}, ${timeText(verified.atMs)}`],
  ]);
}
