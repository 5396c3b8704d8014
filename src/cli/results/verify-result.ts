import type { VerifyBackupResult } from '../../contract/verify-backup.ts';
import { countText, durationText, sizeText } from '../size-text.ts';
import { factLines } from '../table.ts';

export function verifyLines(result: VerifyBackupResult): string[] {
  const { pieces, bytesRead, bytesPlain, records, stateDigest } = result;
  return factLines([
    ['verified', `${result.label} in ${result.repository}`],
    ['level', result.level],
    ['read', `${sizeText(bytesRead)} in ${countText(pieces)} pieces, ${sizeText(bytesPlain)} of log, ${countText(records)} records`],
    ...(stateDigest === undefined ? [] : [['state digest', stateDigest] as const]),
    ['took', durationText(result.durationMs)],
  ]);
}
