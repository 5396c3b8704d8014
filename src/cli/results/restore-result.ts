import type { RestoreResult } from '../../contract/restore.ts';
import { countedText, countText, durationText, whenText } from '../size-text.ts';
import { factLines } from '../table.ts';
import { holdsText, logText } from './log-text.ts';

type Fact = readonly [name: string, value: string];

export function restoreLines(result: RestoreResult): string[] {
  const { label, extents } = result;
  if (label === undefined || extents === undefined) return [`${result.outcome}: nothing was restored to ${result.database}`];
  return factLines([
    [result.dryRun === true ? 'would restore' : 'restored', label],
    ['to', `${result.dataDir ?? ''} on ${result.agent ?? ''}`],
    ...replacedFacts(result),
    ['timeline', `${result.fromTimeline ?? ''} → ${result.timeline ?? 'a new one'}`],
    ['log', logText(extents)],
    ['holds', holdsText(result)],
    ['state digest', result.stateDigest ?? ''],
    ['plan', result.planKey ?? ''],
    ['plan hash', result.planHash ?? ''],
    ...endFacts(result),
  ]);
}

/** What is given up for it, and where that is found again. */
function replacedFacts(result: RestoreResult): Fact[] {
  const { replaces, savedAs, instances = 0, database, repository = '' } = result;
  if (replaces === undefined) return [];
  if (replaces === null) return [['replaces', 'nothing: there is no log in place']];
  const before = replaces.instances === null ? 'unknown' : countText(replaces.instances);
  const { unsavedRecords, lastWriteAtMs, fault } = replaces;
  const unsaved = `${fault === undefined ? '' : 'up to '}${countedText(unsavedRecords, 'record')}, last written ${whenText(lastWriteAtMs)}`;
  return [
    ['instances', `${before} → ${countText(instances)}`],
    ['in no backup', unsavedRecords === 0 ? nothingText(fault) : `${unsaved}${fateText(result)}`],
    ...(savedAs === undefined ? [] : [['to undo', `rstow restore ${database} --repository ${repository} --backup ${savedAs}`] as const]),
  ];
}

/** Of a damaged log nobody knows what stood there. */
function nothingText(fault: NonNullable<RestoreResult['replaces']>['fault']): string {
  return fault === undefined ? 'nothing' : `nothing that can be read: ${fault.code}: ${fault.sentence}`;
}

/** What becomes of the records that no backup holds. */
function fateText({ dryRun, savedAs }: RestoreResult): string {
  if (dryRun === true) return ': the restore stores them first';
  return savedAs === undefined ? '' : ': stored first';
}

function endFacts({ rehearsal, replacedAt, replacedKeptUntilMs, downtimeMs, firstBackup, durationMs }: RestoreResult): Fact[] {
  const facts: (Fact | undefined)[] = [
    rehearsal === undefined ? undefined : ['rehearsal', rehearsal],
    replacedAt === undefined ? undefined : ['replaced data', `${replacedAt}, kept until ${whenText(replacedKeptUntilMs ?? 0)}`],
    downtimeMs === undefined ? undefined : ['down for', durationText(downtimeMs)],
    firstBackup === undefined ? undefined : ['first backup', firstBackup.label],
    durationMs === undefined ? undefined : ['took', durationText(durationMs)],
  ];
  return facts.filter((fact) => fact !== undefined);
}
