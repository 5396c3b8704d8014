import type { HotBackupResult } from '../../contract/hot-backup.ts';
import { countText, durationText, sizeText } from '../size-text.ts';
import { factLines } from '../table.ts';

export function backupLines(result: HotBackupResult): string[] {
  const { label, extents } = result;
  if (label === undefined || extents === undefined) return [`${result.outcome}: no backup was made of ${result.database}`];
  const added = `${sizeText(result.bytesStored ?? 0)} in ${countText(result.piecesStored ?? 0)} pieces, from ${sizeText(result.bytesPlain ?? 0)} of log`;
  return factLines([
    ['backup', label],
    ['repository', `${result.repository ?? ''}, timeline ${result.timeline ?? ''}`],
    ['log', `${countText(extents.segments)} segments, ${sizeText(extents.sizeBytes)}, up to offset ${extents.end}`],
    [
      'holds',
      `${countText(result.records ?? 0)} records: ${countText(result.machines ?? 0)} machines, ${countText(result.instances ?? 0)} instances`,
    ],
    ['stored', added],
    ['restorable', restorableText(result)],
    ['state digest', result.stateDigest ?? ''],
    ['took', durationText(result.durationMs ?? 0)],
  ]);
}

function restorableText({ restorable = 'no', newestRestorable }: HotBackupResult): string {
  if (newestRestorable === undefined) return restorable;
  return `${restorable}; the newest that is: ${newestRestorable ?? 'none'}`;
}
