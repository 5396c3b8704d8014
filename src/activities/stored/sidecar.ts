import { type Sidecar, sidecarSchema } from '../../config/repository-json/sidecar.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Piece, sidecarKey } from '../../core/repository/piece.ts';
import { createDigestStage } from '../../io/checksum/digest-stage.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { putSealed, readSealed } from '../../io/repository/sealed-object.ts';
import { createRecordCut } from './record-cut.ts';
import { plainBytes } from './stored-piece.ts';

/** What reading a sidecar needs: the run is named where it has to be made anew. */
export type SidecarShelf = { repository: Repository; database: string; runId: string };

/**
 * What is known of a stored piece; where its sidecar is missing, it is made anew by reading the piece.
 * Fails: missing-object, truncated-object, damaged-object. Twice: the same.
 */
export async function ensureSidecar(shelf: SidecarShelf, piece: Piece): Promise<Sidecar> {
  const key = sidecarKey(shelf.database, piece);
  const there = await readSealed(shelf.repository, key, sidecarSchema);
  if (there !== undefined) return there;
  const rebuilt = await readWholePiece(shelf, piece);
  await putSealed(shelf.repository, key, { schema: sidecarSchema, value: rebuilt });
  return rebuilt;
}

async function readWholePiece(shelf: SidecarShelf, piece: Piece): Promise<Sidecar> {
  const { repository, runId } = shelf;
  const stored = createDigestStage();
  const cut = createRecordCut({ startBytes: piece.startBytes, targetBytes: piece.endBytes });
  const { signal } = new AbortController();
  for await (const chunk of plainBytes({ repository, key: piece.key, signal, storedStage: stored.stream })) cut.push(chunk);
  const { endBytes, records, sha256, lastRecord, end } = cut.content();
  if (endBytes !== piece.endBytes) {
    const fault = end.kind === 'corrupt' ? 'damaged-object' : 'truncated-object';
    throw new RstowError(fault, `${piece.key} holds whole records only up to byte ${endBytes}`, {
      details: { key: piece.key },
    });
  }
  const { sizeBytes, sha256: storedSha256 } = stored.result();
  return { format: 1, runId, sha256, records, storedBytes: sizeBytes, storedSha256, lastRecord };
}
