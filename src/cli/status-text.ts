import type { CheckDatabaseResult } from '../contract/check-database.ts';
import { type DescribeDatabaseResult, HOLDS_MAX } from '../contract/describe-database.ts';
import type { DatabaseRuns, OpenRun, ScheduleState } from '../client/rstow-client.ts';
import type { Finding } from '../core/protection/finding.ts';
import { holdSentence } from '../core/retention/hold.ts';
import type { RunRecord } from '../core/runs/run-record.ts';
import type { Asked } from './asked.ts';
import { isAnswer, unaskedNote } from './asked.ts';
import { gapFacts, lastRunText, newestVerifiedText, testedText } from './commands/info.ts';
import { ageText, countedText, sizeText, whenText } from './figures.ts';
import { type Fact, factLines, WITH_WARNINGS } from './output.ts';
import { missedText, outcomeText, whatText } from './run-records-text.ts';

type ShownSchedule = Pick<ScheduleState, 'id' | 'isPaused' | 'nextAtMs' | 'missed' | 'skipped'>;

/** All of one database: what its repository and its host say, and what Temporal says. */
export type DatabaseStatus = {
  database: string;
  described: Asked<DescribeDatabaseResult>;
  checked: Asked<CheckDatabaseResult>;
  temporal: Asked<DatabaseRuns & { schedules: ShownSchedule[] }>;
};

const RESTART_CODES: readonly string[] = ['restart-safe', 'restart-loses', 'log-incomplete', 'restart-unknown'];
const ARCHIVE_CODES: readonly string[] = ['archive', 'archive-late', 'archive-unknown'];

export function statusLines({ database, described, checked, temporal }: DatabaseStatus, columns?: number, nowMs = Date.now()): string[] {
  return factLines(
    [
      ...(isAnswer(described) ? protectionFacts(described.answer, nowMs) : [['UNKNOWN', database] as Fact]),
      ...(isAnswer(checked) ? checkFacts(checked.answer) : []),
      ...[...new Set([...whyNot('protection', described), ...whyNot('protection', checked)])].map((text): Fact => ['not asked', text]),
      ...(isAnswer(temporal) ? temporalFacts(temporal.answer, nowMs) : []),
      ...whyNot('runs and schedules', temporal).map((text): Fact => ['not asked', text]),
    ],
    columns,
  );
}

function whyNot(what: string, asking: Asked<unknown>): string[] {
  return isAnswer(asking) ? [] : [unaskedNote(what, asking)];
}

function protectionFacts(described: DescribeDatabaseResult, nowMs: number): Fact[] {
  const { database, protection, window, restorable } = described;
  const seenMs = window?.archive?.seenMs;
  return [
    [protection.isProtected ? 'PROTECTED' : 'NOT PROTECTED', database],
    ...gapFacts(protection.gaps),
    ['last backup', described.lastBackup?.failure === undefined ? undefined : lastRunText(described, nowMs)],
    ['restorable', restorable === null ? 'none' : `${restorable.label}, ${whenText(restorable.createdAtMs, nowMs)}`],
    ['last record', seenMs === undefined ? undefined : `archived ${whenText(seenMs, nowMs)}`],
    ['verified', newestVerifiedText(described, nowMs)],
    ['recovered', testedText(described, nowMs)],
    ['held', heldText(described)],
  ];
}

/** `2 backups, the newest 20261124T100000Z-hot, held by ann: the auditors want it`. */
function heldText({ held }: DescribeDatabaseResult): string | undefined {
  const [newest] = held.toSorted((one, other) => other.label.localeCompare(one.label));
  if (newest === undefined) return undefined;
  const count = countedText(new Set(held.map(({ label }) => label)).size, 'backup');
  return `${held.length < HOLDS_MAX ? '' : 'at least '}${count}, the newest ${newest.label}, ${holdSentence(newest)}`;
}

function checkFacts({ database, findings }: CheckDatabaseResult): Fact[] {
  const [restart, archive] = [RESTART_CODES, ARCHIVE_CODES].map((codes) => findings.find(({ code }) => codes.includes(code)));
  const others = findings.filter((finding) => finding.severity !== 'ok' && finding !== restart && finding !== archive);
  return [
    ['restart', findingText(restart)],
    ['archive', findingText(archive)],
    ['check', others.length === 0 ? undefined : `${countedText(others.length, 'finding')} more: \`rstow check ${database}\``],
  ];
}

function findingText(finding: Finding | undefined): string | undefined {
  if (finding === undefined) return undefined;
  return finding.severity === 'ok' ? finding.sentence : `${finding.severity.toUpperCase()} ${finding.code}: ${finding.sentence}`;
}

function temporalFacts({ open, last, schedules }: DatabaseRuns & { schedules: ShownSchedule[] }, nowMs: number): Fact[] {
  return [
    ...named('open runs', open.length === 0 ? ['none'] : open.flatMap((run) => openLines(run, nowMs))),
    ...named('last runs', last.length === 0 ? ['none that Temporal knows'] : last.map((record) => lastText(record, nowMs))),
    ...named('schedules', schedules.length === 0 ? ['none'] : schedules.flatMap((schedule) => scheduleLines(schedule, nowMs))),
  ];
}

/** The name stands before the first line only. */
function named(name: string, lines: readonly string[]): Fact[] {
  return lines.map((line, index) => [index === 0 ? name : '', line]);
}

function openLines(run: OpenRun, nowMs: number): string[] {
  const { phase, startedAtMs, startsAtMs, waitsFor, progress, why } = run;
  const done = progress === undefined ? '' : `, ${sizeText(progress.doneBytes)} of ${sizeText(progress.totalBytes)}`;
  const waits = waitsFor === undefined ? '' : `, waits for ${waitsFor}`;
  const begins =
    startsAtMs === undefined
      ? `began ${ageText(startedAtMs, nowMs)}`
      : `starts ${whenText(startsAtMs, nowMs)}, asked for ${ageText(startedAtMs, nowMs)}`;
  const line = `${whatText(run)}: ${phase}${done}${waits}; ${begins}${byText(run)}`;
  return [line, ...(why === undefined ? [] : [`  because: ${why}`])];
}

function lastText(record: RunRecord, nowMs: number): string {
  return `${whatText(record)} ${ageText(record.endedAtMs ?? record.startedAtMs, nowMs)}${byText(record)}: ${outcomeText(record)}`;
}

function byText({ who }: RunRecord): string {
  return who === undefined ? '' : `, by ${who}`;
}

function scheduleLines(schedule: ShownSchedule, nowMs: number): string[] {
  const { id, isPaused, nextAtMs } = schedule;
  const next = isPaused ? 'PAUSED' : nextAtMs === undefined ? 'has no next start' : `next ${whenText(nextAtMs, nowMs)}`;
  const missed = missedText(schedule);
  return [`${id}: ${next}`, ...(missed === undefined ? [] : [missed])];
}

/** 0 if all is well, 3 if anything is not, the last backup failed, or something couldn't be asked. */
export function statusExitCode(statuses: readonly DatabaseStatus[]): number {
  return statuses.every(isWell) ? 0 : WITH_WARNINGS;
}

function isWell({ described, checked, temporal }: DatabaseStatus): boolean {
  return (
    isAnswer(temporal) &&
    isAnswer(described) &&
    described.answer.warnings.length === 0 &&
    described.answer.lastBackup?.failure === undefined &&
    isAnswer(checked) &&
    checked.answer.warnings.length === 0
  );
}
