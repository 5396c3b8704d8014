import { isLocked } from '../../core/errors/error-table.ts';
import type { Piece } from '../../core/repository/piece.ts';
import { parseStreamKey } from '../../core/repository/stream-piece.ts';
import type { WalRange } from '../../core/wal/wal-offset.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { createSha256 } from '../../io/checksum/checksum.ts';
import type { PieceTarget } from './piece-store.ts';

/** The hash of the plain bytes that an object holds, and how many records, without opening it: as its name says, or its sidecar. */
export type KnownBytes = { sha256: string; records?: number | undefined };

/** Undefined if nothing says it. */
export async function knownBytes(target: PieceTarget, piece: Piece): Promise<KnownBytes | undefined> {
  const streamed = parseStreamKey(piece.key);
  if (streamed !== undefined) return streamed.proof && { sha256: streamed.proof.sha256 };
  try {
    return await target.store.pieces.sidecar(piece, target);
  } catch (error) {
    if (isLocked(error)) return undefined;
    throw error;
  }
}

/** Whether a file has the bytes there. */
export async function holdsBytes(path: string, { startBytes, endBytes }: WalRange, { sha256 }: KnownBytes): Promise<boolean> {
  const hash = createSha256();
  const { signal } = new AbortController();
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes, endBytes, signal })) hash.update(chunk);
  return hash.digestHex() === sha256;
}
