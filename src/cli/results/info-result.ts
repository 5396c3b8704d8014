import type { DescribeDatabaseResult } from '../../contract/describe-database.ts';
import { countText, durationText, sizeText, timeText } from '../size-text.ts';
import { factLines } from '../table.ts';

export function infoLines(result: DescribeDatabaseResult): string[] {
  const { database, repository, latest, backups, timelines, freeBytes } = result;
  return factLines([
    ['database', database],
    ['owner', ownerText(result)],
    ['repository', freeBytes === null ? repository : `${repository}, ${sizeText(freeBytes)} free`],
    ['timelines', countText(timelines)],
    ['backups', countText(backups)],
    ['latest', latest === null ? 'none' : `${latest.label}, ${sizeText(latest.extents.sizeBytes)} of log, restorable ${latest.restorable}`],
    ['verified', latest?.verified === undefined ? 'never' : `${latest.verified.level}, ${timeText(latest.verified.atMs)}`],
    ['recovered', testedText(result)],
  ]);
}

function ownerText({ owner }: DescribeDatabaseResult): string {
  if (owner === null) return 'nobody yet';
  return `agent ${owner.agent} (installation ${owner.installationId}, generation ${owner.generation})`;
}

/** By the tests that start a real server on a backup. */
function testedText({ tested, untested }: DescribeDatabaseResult): string {
  const last = tested === null ? 'never tested' : `${tested.label} in ${durationText(tested.rtoMs)}, ${timeText(tested.atMs)}`;
  return untested.length === 0 ? last : `${last}; ${countText(untested.length)} backups untested`;
}
