import { type DescribeDatabaseResult, UNTESTED_MAX } from '../../contract/describe-database.ts';
import { ageText, countText, durationText, sizeText, whenText } from '../size-text.ts';
import { factLines } from '../table.ts';
import { compactionText, gapFacts, lastRunText, replacedText, scheduleText, serverText } from './protection-text.ts';
import { standingText } from './standing-text.ts';

const UNTESTED_NAMED_MAX = 5;

export function infoLines(result: DescribeDatabaseResult): string[] {
  const { database, repository, latest, backups, timelines, freeBytes } = result;
  const { isProtected, gaps } = result.protection;
  return factLines([
    [isProtected ? 'PROTECTED' : 'NOT PROTECTED', database],
    ...gapFacts(gaps),
    ['owner', ownerText(result)],
    ['server', serverText(result)],
    ['compaction', compactionText(result)],
    ['schedule', scheduleText(result)],
    ['last run', lastRunText(result)],
    ['repository', freeBytes === null ? repository : `${repository}, ${sizeText(freeBytes)} free`],
    ['timelines', countText(timelines)],
    ['backups', countText(backups)],
    ['latest', latest === null ? 'none' : latestText(latest)],
    ['verified', standingText(latest ?? {})],
    ['recovered', testedText(result)],
    ['untested', untestedText(result)],
    ['replaced', replacedText(result)],
  ]);
}

function latestText({ label, createdAtMs, extents, restorable }: NonNullable<DescribeDatabaseResult['latest']>): string {
  return `${label} (${ageText(createdAtMs)}), ${sizeText(extents.sizeBytes)} of log, restorable ${restorable}`;
}

function ownerText({ owner }: DescribeDatabaseResult): string {
  if (owner === null) return 'nobody yet';
  return `agent ${owner.agent} (installation ${owner.installationId}, generation ${owner.generation})`;
}

/** By the tests that start a real server on a backup. */
function testedText({ tested, testFailed }: DescribeDatabaseResult): string {
  const failed = testFailed === null ? [] : [`FAILED ${testFailed.code} for ${testFailed.label}, ${whenText(testFailed.atMs)}`];
  return [...failed, tested === null ? 'never' : heldText(tested)].join('; ');
}

function heldText({ label, atMs, rtoMs, seed, end }: NonNullable<DescribeDatabaseResult['tested']>): string {
  const upTo = seed === undefined ? '' : ` up to a random point, offset ${end ?? ''},`;
  return `${label}${upTo} in ${durationText(rtoMs)}, ${whenText(atMs)}`;
}

/** The backups that no test has recovered to their end, the newest first. */
function untestedText({ backups, untested }: DescribeDatabaseResult): string {
  if (untested.length === 0) return backups === 0 ? 'no backups yet' : 'none';
  const more = untested.length - UNTESTED_NAMED_MAX;
  const rest = more <= 0 ? '' : ` and ${untested.length === UNTESTED_MAX ? 'at least ' : ''}${countText(more)} more`;
  return `${untested.slice(0, UNTESTED_NAMED_MAX).join(', ')}${rest}`;
}
