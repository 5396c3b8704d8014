import { type Sidecar, sidecarSchema } from '../formats/repository/piece.ts';
import type { Warning } from '../contract/result.ts';
import { isObjectDamage } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type Piece, sidecarKey } from '../core/repository/piece.ts';
import { createDigestStage } from '../io/checksum/checksum.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import { putAside } from './damage.ts';
import { createRecordCut } from './record-cut.ts';
import { plainBytes } from './stored-object.ts';

/** What reading a sidecar needs: the run is named where it has to be made anew. */
export type SidecarScope = {
  repository: Repository;
  coding: Coding;
  database: string;
  runId: string;
  /** Takes what a person should know of: a damaged sidecar was replaced. */
  warn?: ((warning: Warning) => void) | undefined;
};

/**
 * What is known of a stored piece; where its sidecar is missing or damaged, it is made anew by reading the piece.
 * Fails: missing-object, truncated-object, damaged-object, all of the piece. Twice: the same.
 */
export async function ensureSidecar(scope: SidecarScope, piece: Piece): Promise<Sidecar> {
  const key = sidecarKey(scope.database, piece);
  const there = await readUnlessDamaged(scope, key);
  if (there !== undefined && there !== 'damaged') return there;
  const remade = await readWholePiece(scope, piece);
  if (there === 'damaged') {
    await putAside(scope.repository, key, scope.runId);
    scope.warn?.({
      code: 'sidecar-remade',
      message: `${key} was damaged, and was made anew from its piece: see whether the repository’s disk is failing`,
    });
  }
  await putSealed(scope.repository, key, { schema: sidecarSchema, value: remade });
  return remade;
}

/** Whether the piece is listed with the size that its sidecar says; one whose sidecar is lost is read. */
export async function isSoundAtAGlance(scope: SidecarScope, piece: Piece): Promise<boolean> {
  try {
    const { storedBytes } = await ensureSidecar(scope, piece);
    for await (const { key, sizeBytes } of scope.repository.list(piece.key)) if (key === piece.key) return sizeBytes === storedBytes;
    return false;
  } catch (error) {
    if (error instanceof RstowError && isObjectDamage(error.code)) return false;
    throw error;
  }
}

/** What a piece holds, by reading all of it. Fails: missing-object, truncated-object, damaged-object. */
export async function readWholePiece(scope: SidecarScope, piece: Piece): Promise<Sidecar> {
  const { repository, coding, runId } = scope;
  const stored = createDigestStage();
  const cut = createRecordCut({ startBytes: piece.startBytes, targetBytes: piece.endBytes });
  const { signal } = new AbortController();
  const plainBytesMax = piece.endBytes - piece.startBytes;
  for await (const chunk of plainBytes({ repository, coding, key: piece.key, signal, plainBytesMax, storedStage: stored.stream }))
    cut.push(chunk);
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

async function readUnlessDamaged({ repository }: SidecarScope, key: string): Promise<Sidecar | 'damaged' | undefined> {
  try {
    return await readSealed(repository, key, sidecarSchema);
  } catch (error) {
    if (error instanceof RstowError && isObjectDamage(error.code)) return 'damaged';
    throw error;
  }
}
