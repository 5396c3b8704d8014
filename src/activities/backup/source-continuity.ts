import { stat } from 'node:fs/promises';
import type { Fence } from '../../formats/repository/fence.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Piece, piecesBySegment } from '../../core/repository/piece.ts';
import { headerCrc32c, headerFault, headerSequence, RECORD_HEADER_SIZE_BYTES } from '../../core/wal/record.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { readBytes } from '../../io/data-directory/range-reader.ts';
import type { PieceShelf } from './piece-store.ts';
import { scanSegment } from './segment-scan.ts';
import { damageBehind } from './segment-tail.ts';

export type SourceHistory = {
  fence: Fence;
  stored: readonly Piece[];
  pathOf: (segment: SegmentId) => string;
};

/**
 * Whether the files continue what is stored: no file is shorter, and the newest stored record still stands where it
 * stood. A directory that was put back by other hands fails here, before its bytes could mix with the history's.
 * Fails: timeline-diverged; source-damaged, where it only looks so.
 */
export async function checkContinues(shelf: PieceShelf, history: SourceHistory): Promise<void> {
  const bySegment = piecesBySegment(history.stored);
  let newest: Piece | undefined;
  for (const { segment, endBytes } of history.fence.segments) {
    const last = lastPiece(bySegment.get(segment) ?? []);
    if (last === undefined) continue;
    // A record that straddles the fence is stored whole: whoever comes after, as this run's next attempt, finds it behind.
    const sizeBytes = last.endBytes > endBytes ? (await stat(history.pathOf(segment))).size : endBytes;
    if (last.endBytes > sizeBytes) {
      throw diverged(segment, `has ${sizeBytes} bytes, but ${last.endBytes} are stored of it`);
    }
    newest = last;
  }
  if (newest !== undefined) await checkLastRecord(shelf, newest, history.pathOf(newest.segment));
  const lastStored = Math.max(0, ...bySegment.keys());
  const lastPresent = history.fence.segments.at(-1)?.segment ?? 0;
  if (lastStored > lastPresent) throw diverged(lastStored as SegmentId, 'is stored, but the server has only older segments');
}

async function checkLastRecord(shelf: PieceShelf, piece: Piece, path: string): Promise<void> {
  const { lastRecord } = await shelf.store.pieces.sidecar(piece, shelf);
  const { startBytes } = lastRecord;
  const header = await readBytes({ source: { kind: 'path', path }, startBytes, endBytes: startBytes + RECORD_HEADER_SIZE_BYTES });
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const same =
    headerFault(view, 0) === undefined && headerCrc32c(view, 0) === lastRecord.crc32c && headerSequence(view, 0) === lastRecord.sequence;
  if (same) return;
  const other = diverged(piece.segment, `has another record at byte ${lastRecord.startBytes} than the stored history`);
  throw (await damageWithin(piece, path)) ?? other;
}

/** A log that was written on behind a torn record is damaged: it is no other history for that. */
async function damageWithin(piece: Piece, path: string): Promise<RstowError | undefined> {
  const { size } = await stat(path);
  const { end } = await scanSegment({ path, startBytes: piece.startBytes, sizeBytes: size });
  return end.positionBytes < piece.endBytes ? damageBehind(path, piece.segment, { end, sizeBytes: size }) : undefined;
}

function lastPiece(pieces: readonly Piece[]): Piece | undefined {
  return pieces.reduce<Piece | undefined>((last, piece) => (last && last.endBytes >= piece.endBytes ? last : piece), undefined);
}

function diverged(segment: SegmentId, what: string): RstowError {
  return new RstowError('timeline-diverged', `${segmentFileName(segment)} ${what}`, { details: { segment } });
}
