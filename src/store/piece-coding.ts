import type { Transform } from 'node:stream';
import { createPieceCompressor, createPieceDecompressor } from '../io/coding/zstd.ts';

/** How plain WAL bytes become a stored object and back: the slot that encryption takes. */
export type PieceCoding = {
  /** The first stage is done with a chunk when it calls back: it doesn't hand it on. Without a size it is made for a large piece. */
  encode(expectedSizeBytes?: number): [Transform, ...Transform[]];
  decode(expectedSizeBytes?: number): Transform[];
};

export const zstdCoding: PieceCoding = {
  encode: (expectedSizeBytes) => [createPieceCompressor(expectedSizeBytes)],
  decode: (expectedSizeBytes) => [createPieceDecompressor(expectedSizeBytes)],
};
