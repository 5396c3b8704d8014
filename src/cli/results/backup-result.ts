import type { HotBackupResult } from '../../contract/hot-backup.ts';
import { countedText, durationText, sizeText } from '../size-text.ts';
import { factLines } from '../table.ts';
import { holdsText, logText } from './log-text.ts';

export function backupLines(result: HotBackupResult): string[] {
  const { label, extents } = result;
  if (label === undefined || extents === undefined) return [`${result.outcome}: no backup was made of ${result.database}`];
  const added = `${sizeText(result.bytesStored ?? 0)} in ${countedText(result.piecesStored ?? 0, 'piece')}, from ${sizeText(result.bytesPlain ?? 0)} of log`;
  return factLines([
    ['backup', label],
    ['repository', `${result.repository ?? ''}, timeline ${result.timeline ?? ''}`],
    ['log', logText(extents)],
    ['holds', holdsText(result)],
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
