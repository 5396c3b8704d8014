/** Whether stored pieces stayed as they were, and lie side by side. */
import { lstatSync } from 'node:fs';
import { parsePieceKey, type Piece, piecesBySegment } from '../../../src/core/repository/piece.ts';
import type { DatabaseStack } from '../../support/database-stack.ts';
import { pieceFiles } from './kill-point.ts';

/** Path to what changes when a file is written or put in place again. */
export type PieceStamps = ReadonlyMap<string, string>;

export function pieceStamps(stack: DatabaseStack): PieceStamps {
  return new Map(pieceFiles(stack).map((path) => [path, stampOf(path)]));
}

/** Pieces that are no longer the very files that they were. */
export function changedPieces(stack: DatabaseStack, before: PieceStamps): string[] {
  const now = pieceStamps(stack);
  return [...before].filter(([path, stamp]) => now.get(path) !== stamp).map(([path]) => path);
}

/** Where the pieces of a timeline's segment leave a hole, or store a byte twice. */
export function untiledPieces(stack: DatabaseStack): string[] {
  return untiledOf(pieceFiles(stack));
}

/** The same of pieces by their keys. What was merged of others counts as those, which may be of the timelines before. */
export function untiledOf(keys: readonly string[]): string[] {
  const pieces = keys.flatMap((key) => parsePieceKey(key) ?? []);
  return [...piecesBySegment(pieces).values()].flatMap((all) => {
    const timelines = new Set(all.map(({ timeline }) => timeline));
    return [...timelines].flatMap((timeline) => untiled(timeline, all));
  });
}

function untiled(timeline: string, all: readonly Piece[]): string[] {
  const known = all.filter((piece) => Number(piece.timeline) <= Number(timeline));
  const parts = known.filter((piece) => piece.timeline === timeline && !isTiled(piece, known));
  const sorted = parts.toSorted((one, other) => one.startBytes - other.startBytes);
  return sorted.filter((piece, index) => index > 0 && piece.startBytes !== sorted[index - 1]?.endBytes).map(({ key }) => key);
}

/** Whether smaller pieces, one after another, hold exactly these bytes. */
function isTiled(piece: Piece, pieces: readonly Piece[]): boolean {
  const isSmaller = ({ startBytes, endBytes }: Piece): boolean =>
    startBytes >= piece.startBytes && endBytes <= piece.endBytes && endBytes - startBytes < piece.endBytes - piece.startBytes;
  const smaller = pieces.filter(isSmaller);
  const reaches = (fromBytes: number): boolean =>
    fromBytes === piece.endBytes || smaller.some(({ startBytes, endBytes }) => startBytes === fromBytes && reaches(endBytes));
  return reaches(piece.startBytes);
}

function stampOf(path: string): string {
  const { ino, mtimeNs, ctimeNs, size } = lstatSync(path, { bigint: true });
  return [ino, mtimeNs, ctimeNs, size].join(' ');
}
