import type { DisasterRecoveryResult } from '../../contract/disaster-recovery.ts';
import { countedText, countText, durationText, timeText, whenText } from '../size-text.ts';
import { factLines } from '../table.ts';
import { logText } from './log-text.ts';

type Fact = readonly [name: string, value: string];

export function disasterLines(result: DisasterRecoveryResult): string[] {
  const { label, extents, lost, found } = result;
  if (found !== undefined) return restartedLines(result, found);
  if (label === undefined || extents === undefined) return [`${result.outcome}: ${result.warnings[0]?.message ?? 'nothing was recovered'}`];
  const facts: Fact[] = [
    ['recovered', `${label} from ${result.repository ?? ''}`],
    ['to', `${result.dataDir ?? ''} on ${result.agent ?? ''}, the owner now (generation ${result.generation ?? 0})`],
    ['log', logText(extents)],
    ['state digest', result.stateDigest ?? ''],
    ...lossFacts(lost),
    ...(result.skipped ?? []).map(({ label: skipped, repository, reason }): Fact => ['skipped', `${skipped} in ${repository}: ${reason}`]),
    ['recovery time', durationText(result.rtoMs ?? 0)],
    ['first backup', result.firstBackup?.label ?? 'none'],
  ];
  return factLines(facts);
}

/** The data were whole: nothing was recovered from a backup, and nothing is lost. */
function restartedLines(result: DisasterRecoveryResult, { agent, data }: NonNullable<DisasterRecoveryResult['found']>): string[] {
  const since = data.backup === null ? 'no backup yet' : `beyond ${data.backup}`;
  return factLines([
    ['restarted', `the server on ${data.dataDir} of ${agent}: its data are whole`],
    ['lost', 'nothing'],
    ['holds', `${countedText(data.records, 'record')}, ${countText(data.unsavedRecords)} of them ${since}`],
    ['instances', data.instances === null ? 'unknown' : countText(data.instances)],
    ['last write', whenText(data.lastWriteAtMs)],
    ['backed up', result.firstBackup?.label ?? data.backup ?? 'not yet'],
    ['recovery time', durationText(result.rtoMs ?? 0)],
  ]);
}

function lossFacts(lost: DisasterRecoveryResult['lost']): Fact[] {
  if (lost === undefined) return [['lost', 'unknown']];
  const { knownRecords, discarded, unseen } = lost;
  const span: Fact = ['lost', `what was written between ${timeText(lost.sinceMs)} and ${timeText(lost.untilMs)}`];
  return [
    span,
    ...(knownRecords === 0 ? [] : [['', `${countedText(knownRecords, 'record')} of newer backups`] as const]),
    ...discarded.map(({ agent, data }): Fact => [
      '',
      `${countedText(data.unsavedRecords, 'record')} on ${agent}, last written ${whenText(data.lastWriteAtMs)}`,
    ]),
    ...(unseen === undefined ? [] : [['', `how many is unknown: ${unseen}`] as const]),
  ];
}
