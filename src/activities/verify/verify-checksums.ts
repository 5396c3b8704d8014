import { lastingWarnings } from '../../contract/backup-warnings.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { parsePieceKey } from '../../core/repository/piece.ts';
import { promisedHashes } from '../../store/promised-hashes.ts';
import type { Verification, Verified } from './verification.ts';

/**
 * Reads every stored object of the log once, without decompressing it; what its sidecar says of the plain bytes must
 * be what the manifest promises. Fails: missing-object, truncated-object, damaged-object.
 */
export async function verifyChecksums(verification: Verification): Promise<Verified> {
  const { store, manifest, run } = verification;
  const planned = await store.pieces.plan(manifest);
  const keys = new Set(planned.flatMap((segment) => segment.slices.map((slice) => slice.key)));
  const warnings = lastingWarnings(manifest.warnings);
  const warn = (warning: Warning): void => void warnings.push(warning);
  const promised = promisedHashes(manifest);
  let bytesRead = 0;
  for (const key of keys) {
    const piece = parsePieceKey(key);
    if (piece === undefined) continue;
    const sidecar = await store.pieces.sidecar(piece, { runId: run.runId, warn });
    // A merged piece is no range of the manifest: only reading it tells.
    if ((promised.get(key) ?? sidecar.sha256) !== sidecar.sha256) throw otherBytes(key, manifest.label);
    bytesRead += await store.pieces.check({ key, sizeBytes: sidecar.storedBytes, sha256: sidecar.storedSha256 }, run.signal);
    run.report({ doing: key, doneBytes: bytesRead });
  }
  const bytesPlain = planned.reduce((sum, segment) => sum + segment.endBytes, 0);
  return { pieces: keys.size, records: manifest.records, bytesRead, bytesPlain, warnings };
}

function otherBytes(key: string, label: string): RstowError {
  return new RstowError('damaged-object', `${key} holds other bytes than backup ${label} promises`, { details: { key } });
}
