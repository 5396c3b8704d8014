import type { DisasterRecoveryResult } from '../../contract/disaster-recovery.ts';
import { countText, durationText, sizeText, timeText } from '../size-text.ts';
import { factLines } from '../table.ts';

type Fact = readonly [name: string, value: string];

export function disasterLines(result: DisasterRecoveryResult): string[] {
  const { label, extents, lost } = result;
  if (label === undefined || extents === undefined) return [`${result.outcome}: ${result.warnings[0]?.message ?? 'nothing was recovered'}`];
  const facts: Fact[] = [
    ['recovered', `${label} from ${result.repository ?? ''}`],
    ['to', `${result.dataDir ?? ''} on ${result.agent ?? ''}, the owner now (generation ${result.generation ?? 0})`],
    ['log', `${countText(extents.segments)} segments, ${sizeText(extents.sizeBytes)}, up to offset ${extents.end}`],
    ['state digest', result.stateDigest ?? ''],
    ['lost', lossText(lost)],
    ...(result.skipped ?? []).map(({ label: skipped, repository, reason }): Fact => ['skipped', `${skipped} in ${repository}: ${reason}`]),
    ['recovery time', durationText(result.rtoMs ?? 0)],
    ['first backup', result.firstBackup?.label ?? 'none'],
  ];
  return factLines(facts);
}

function lossText(lost: DisasterRecoveryResult['lost']): string {
  if (lost === undefined) return 'unknown';
  const since = `what was written between ${timeText(lost.sinceMs)} and ${timeText(lost.untilMs)}`;
  return lost.knownRecords === 0 ? since : `${countText(lost.knownRecords)} records of newer backups, and ${since}`;
}
