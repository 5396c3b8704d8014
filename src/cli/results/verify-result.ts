import type { VerifyBackupResult } from '../../contract/verify-backup.ts';
import { countedText, durationText, sizeText } from '../size-text.ts';
import { factLines } from '../table.ts';

export function verifyLines(result: VerifyBackupResult): string[] {
  const { pieces, bytesRead, bytesPlain, records, stateDigest } = result;
  return factLines([
    ['verified', `${result.label} in ${result.repository}`],
    ['level', result.level],
    [
      'read',
      `${sizeText(bytesRead)} in ${countedText(pieces, 'piece')}, ${sizeText(bytesPlain)} of log, ${countedText(records, 'record')}`,
    ],
    ...(stateDigest === undefined ? [] : [['state digest', stateDigest] as const]),
    ['took', durationText(result.durationMs)],
  ]);
}
