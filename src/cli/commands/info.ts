import { type DescribeDatabaseResult, parseDescribeDatabaseInput, UNTESTED_MAX } from '../../contract/describe-database.ts';
import type { BackupRow } from '../../contract/list-backups.ts';
import { unreachable } from '../../core/errors/rstow-error.ts';
import { compactionSource } from '../../core/protection/compaction.ts';
import { segmentsText } from '../../core/wal/continuity.ts';
import { holdSentence } from '../../core/retention/hold.ts';
import type { ProtectionGap } from '../../core/protection/verdict.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { historyFacts } from '../history-text.ts';
import { ageText, countedText, countText, durationText, intervalText, sizeText, whenText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { type Fact, factLines } from '../output.ts';

const DESCRIBE_DATABASE: RunKind<'describeDatabase'> = { type: 'describeDatabase', isQuery: true, resultLines: infoLines };

export const infoCommand: CliCommand = {
  name: 'info',
  description: 'show how well a database is protected',
  runs: [DESCRIBE_DATABASE],
  define: (command, { exit }) => {
    addRunOptions(command).action(async (database: string, options: RunOptions & InputOptions) => {
      const input = parseDescribeDatabaseInput([commonInput(database, options)]);
      exit(await execute({ ...DESCRIBE_DATABASE, input }, options));
    });
  },
};

const UNTESTED_NAMED_MAX = 5;

function infoLines(result: DescribeDatabaseResult): string[] {
  const { database, repository, latest, backups, freeBytes } = result;
  const { isProtected, gaps } = result.protection;
  return factLines([
    [isProtected ? 'PROTECTED' : 'NOT PROTECTED', database],
    ...gapFacts(gaps),
    ['owner', ownerText(result)],
    ['server', serverText(result)],
    ['compaction', compactionText(result)],
    ['guard', guardText(result)],
    ['archive', archiveText(result)],
    ['schedule', scheduleText(result)],
    ['last run', lastRunText(result)],
    ['repository', freeBytes === null ? repository : `${repository}, ${sizeText(freeBytes)} free`],
    ['backups', countText(backups)],
    ['latest', latest === null ? 'none' : latestText(latest)],
    ['verified', newestVerifiedText(result)],
    ['recovered', testedText(result)],
    ['untested', untestedText(result)],
    ...result.held.map((hold): Fact => ['held', `${hold.label}, ${holdSentence(hold)}`]),
    ...historyFacts(result),
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

/** Of the latest backup; if that wasn't checked yet, of the newest one that was. */
export function newestVerifiedText({ latest, lastVerified }: DescribeDatabaseResult, nowMs = Date.now()): string {
  if (latest?.failed !== undefined || latest?.verified !== undefined || lastVerified === null) return verifiedText(latest ?? {}, nowMs);
  return `${lastVerified.label}: ${lastVerified.level} ${whenText(lastVerified.atMs, nowMs)}`;
}

/** By the tests that start a real server on a backup. */
export function testedText({ tested, testFailed }: DescribeDatabaseResult, nowMs = Date.now()): string {
  const failed = testFailed === null ? [] : [`FAILED ${testFailed.code} for ${testFailed.label}, ${whenText(testFailed.atMs, nowMs)}`];
  return [...failed, tested === null ? 'never' : heldText(tested, nowMs)].join('; ');
}

function heldText({ label, atMs, rtoMs, seed, end }: NonNullable<DescribeDatabaseResult['tested']>, nowMs: number): string {
  const upTo = seed === undefined ? '' : ` up to a random point, offset ${end ?? ''},`;
  return `${label}${upTo} in ${durationText(rtoMs)}, ${whenText(atMs, nowMs)}`;
}

/** The backups that no test has recovered to their end, the newest first. */
function untestedText({ backups, untested }: DescribeDatabaseResult): string {
  if (untested.length === 0) return backups === 0 ? 'no backups yet' : 'none';
  const more = untested.length - UNTESTED_NAMED_MAX;
  const rest = more <= 0 ? '' : ` and ${untested.length === UNTESTED_MAX ? 'at least ' : ''}${countText(more)} more`;
  return `${untested.slice(0, UNTESTED_NAMED_MAX).join(', ')}${rest}`;
}

/** Each gap, and below it what to type. */
export function gapFacts(gaps: readonly ProtectionGap[]): Fact[] {
  return gaps.flatMap(({ code, sentence, remedy }): Fact[] => [
    ['why', `${code}: ${sentence}`],
    ['what to do', remedy],
  ]);
}

export function scheduleText({ schedule }: Pick<DescribeDatabaseResult, 'schedule'>, nowMs = Date.now()): string {
  if (schedule === null) return 'none';
  const { id, everyMs, cron, timeZone = 'UTC', nextAtMs, isPaused } = schedule;
  const calendar = cron === undefined ? 'by the calendar' : `${cron}, ${timeZone}`;
  const rhythm = everyMs === undefined ? calendar : `every ${intervalText(everyMs)}`;
  const next = nextAtMs === undefined || isPaused ? '' : `, next ${ageText(nextAtMs, nowMs)}`;
  return `${isPaused ? 'PAUSED, ' : ''}${rhythm}${next} (${id})`;
}

function serverText({ server }: Pick<DescribeDatabaseResult, 'server'>): string {
  if (server === null) return 'unknown: its host does not answer';
  return server.failure === undefined ? 'answers from its data directory' : `${server.failure.code}: ${server.failure.sentence}`;
}

function compactionText({ server }: Pick<DescribeDatabaseResult, 'server'>): string {
  if (server === null) return 'unknown';
  return `${server.compaction.isOn ? 'ON' : 'off'}: ${compactionSource(server.compaction)}`;
}

/** What becomes of the log that compaction deletes. */
export function guardText({ server }: Pick<DescribeDatabaseResult, 'server'>): string {
  if (server === null) return 'unknown';
  const { guard } = server;
  switch (guard.kind) {
    case 'off':
      return 'off: segments that compaction deletes are lost to the next start';
    case 'unsupported':
      return `can’t work (${guard.why}): segments that compaction deletes are lost to the next start`;
    case 'waiting':
      return 'nothing is pinned yet';
    case 'replaced':
      return `hands off: ${guard.why}`;
    case 'on':
      return guard.lost.length === 0
        ? `on: holds ${countedText(guard.pinned, 'segment')}${keptText(guard.keptBytes)}`
        : `on, but a server was started without ${segmentsText(guard.lost)}`;
    default:
      return unreachable(guard);
  }
}

function keptText(keptBytes: number): string {
  return keptBytes === 0 ? '' : `; compaction has deleted ${sizeText(keptBytes)} of that`;
}

/** `rstow check` measures how late it is: here is only what the run says. */
function archiveText({ archive }: Pick<DescribeDatabaseResult, 'archive'>): string {
  if (archive === null) return 'OFF: a lost host costs all that was written since the last backup';
  const { phase, waitsFor, pausedBy, bytesPerSecond } = archive;
  if (pausedBy !== undefined) return `PAUSED by ${pausedBy}: what is written now is stored only by the next backup`;
  if (waitsFor !== undefined) return `${phase}: ${waitsFor}`;
  return bytesPerSecond === undefined ? phase : `${phase}, ${sizeText(bytesPerSecond)} of it a second at most`;
}

export function lastRunText({ lastBackup }: Pick<DescribeDatabaseResult, 'lastBackup'>, nowMs = Date.now()): string {
  if (lastBackup === null) return 'none that Temporal knows';
  const { endedAtMs, failure } = lastBackup;
  if (failure === undefined) return `done, ${whenText(endedAtMs, nowMs)}`;
  return `FAILED ${whenText(endedAtMs, nowMs)}: ${failure.code}: ${failure.sentence}`;
}

/** Only the newest is named: an operator wants to know which disk they fill. */
function replacedText({ replaced }: Pick<DescribeDatabaseResult, 'replaced'>, nowMs = Date.now()): string {
  const newest = replaced.at(-1);
  if (newest === undefined) return 'none';
  const sizeBytes = replaced.reduce((sum, folder) => sum + folder.sizeBytes, 0);
  const sum = `${countedText(replaced.length, 'folder')}, ${sizeText(sizeBytes)}`;
  // The path first: then it has a line of its own, and can be copied.
  return `${newest.path}, kept until ${whenText(newest.keptUntilMs, nowMs)}; ${sum}`;
}

/** What checks have found of a backup; a failure comes before what held earlier. */
export function verifiedText({ verified, failed }: Pick<BackupRow, 'verified' | 'failed'>, nowMs = Date.now()): string {
  if (failed !== undefined) return `FAILED ${failed.code} ${whenText(failed.atMs, nowMs)}`;
  return verified === undefined ? 'never' : `${verified.level} ${whenText(verified.atMs, nowMs)}`;
}
