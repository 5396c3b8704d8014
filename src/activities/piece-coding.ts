import type { Transform } from 'node:stream';
import { createPieceCompressor, createPieceDecompressor } from '../io/compression/zstd.ts';

/** How plain WAL bytes become a stored object and back: the slot that encryption takes. */
export type PieceCoding = { encode(): Transform[]; decode(): Transform[] };

export const zstdCoding: PieceCoding = {
  encode: () => [createPieceCompressor()],
  decode: () => [createPieceDecompressor()],
};
