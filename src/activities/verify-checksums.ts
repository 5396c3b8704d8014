import { parsePieceKey } from '../core/repository/piece.ts';
import { checkStored } from './stored-object.ts';
import { planSegments } from './planned-segments.ts';
import { ensureSidecar } from './sidecar.ts';
import type { Verification, Verified } from './verification.ts';

/** Reads every stored object of the log once, without decompressing it. Fails: damaged-object. */
export async function verifyChecksums(verification: Verification): Promise<Verified> {
  const { repository, manifest, run } = verification;
  const planned = await planSegments(repository, manifest);
  const keys = new Set(planned.flatMap((segment) => segment.slices.map((slice) => slice.key)));
  const shelf = { repository, database: manifest.database, runId: run.runId };
  let bytesRead = 0;
  for (const key of keys) {
    const piece = parsePieceKey(key);
    if (piece === undefined) continue;
    const sidecar = await ensureSidecar(shelf, piece);
    bytesRead += await checkStored(repository, { key, sizeBytes: sidecar.storedBytes, sha256: sidecar.storedSha256 }, run.signal);
    run.report({ verifying: key, bytesRead });
  }
  const bytesPlain = planned.reduce((sum, segment) => sum + segment.endBytes, 0);
  return { pieces: keys.size, records: manifest.records, bytesRead, bytesPlain };
}
