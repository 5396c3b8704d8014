import type { DescribeDatabaseResult } from '../../contract/describe-database.ts';
import { countText, durationText, sizeText, timeText } from '../size-text.ts';
import { factLines } from '../table.ts';
import { standingText } from './standing-text.ts';

export function infoLines(result: DescribeDatabaseResult): string[] {
  const { database, repository, latest, backups, timelines, freeBytes } = result;
  return factLines([
    ['database', database],
    ['owner', ownerText(result)],
    ['repository', freeBytes === null ? repository : `${repository}, ${sizeText(freeBytes)} free`],
    ['timelines', countText(timelines)],
    ['backups', countText(backups)],
    ['latest', latest === null ? 'none' : `${latest.label}, ${sizeText(latest.extents.sizeBytes)} of log, restorable ${latest.restorable}`],
    ['verified', standingText(latest ?? {})],
    ['recovered', testedText(result)],
  ]);
}

function ownerText({ owner }: DescribeDatabaseResult): string {
  if (owner === null) return 'nobody yet';
  return `agent ${owner.agent} (installation ${owner.installationId}, generation ${owner.generation})`;
}

/** By the tests that start a real server on a backup. */
function testedText({ tested, testFailed, untested }: DescribeDatabaseResult): string {
  const failed = testFailed === null ? [] : [`FAILED ${testFailed.code} for ${testFailed.label}, ${timeText(testFailed.atMs)}`];
  const held = tested === null ? 'never' : `${tested.label} in ${durationText(tested.rtoMs)}, ${timeText(tested.atMs)}`;
  const open = untested.length === 0 ? [] : [`${countText(untested.length)} backups untested`];
  return [...failed, held, ...open].join('; ');
}
