import type { PointExplanation, PointSummary } from '../contract/point-in-time-recovery.ts';
import { countText, timeText } from './figures.ts';
import { namedText, recordText } from './log-text.ts';
import type { Fact } from './output.ts';

/** Where a point lies. */
export function pointFacts({ end, sinceMs, untilMs, higher }: PointSummary): Fact[] {
  const higherText = higher === undefined || higher.count === 0 ? undefined : `${countText(higher.count)}: ${higher.first.join(', ')}`;
  return [
    ['up to', `offset ${end} of its log`],
    ['written', writtenText(sinceMs, untilMs)],
    ['higher numbers', higherText],
  ];
}

/** Between two backups without anything new nothing was written, and the point stands for all of that time. */
function writtenText(sinceMs: number | undefined, untilMs: number): string {
  const until = timeText(untilMs);
  if (sinceMs !== undefined && sinceMs > untilMs) return `by ${until}; nothing more until ${timeText(sinceMs)}`;
  return `between ${sinceMs === undefined ? 'the beginning' : timeText(sinceMs)} and ${until}`;
}

/** What a recovery to a point would do. */
export function explanationFacts(explanation: PointExplanation | undefined): Fact[] {
  if (explanation === undefined) return [];
  const { lastRecords, nextRecord, difference } = explanation;
  const records = lastRecords.map((record, index): Fact => [index === 0 ? 'last records' : '', recordText(record)]);
  const next: Fact = ['left out from', nextRecord === null ? 'nothing more is stored' : recordText(nextRecord)];
  if (difference === null) return [...records, next];
  return [
    ...records,
    next,
    ['comes back', namedText(difference.instancesCreated, 'instance')],
    ['changes', namedText(difference.instancesChanged, 'instance')],
    ['goes away', namedText(difference.instancesDeleted, 'instance')],
    ['machines', machinesText(difference)],
  ];
}

function machinesText({
  machinesAdded,
  machinesRemoved,
  machinesChanged,
}: NonNullable<PointExplanation['difference']>): string | undefined {
  const changes = [
    machinesAdded.count > 0 ? `come back: ${namedText(machinesAdded, 'machine')}` : undefined,
    machinesRemoved.count > 0 ? `go away: ${namedText(machinesRemoved, 'machine')}` : undefined,
    machinesChanged.count > 0 ? `change: ${namedText(machinesChanged, 'machine')}` : undefined,
  ].filter((text) => text !== undefined);
  return changes.length === 0 ? undefined : changes.join('; ');
}
