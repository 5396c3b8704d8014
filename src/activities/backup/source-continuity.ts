import { stat } from 'node:fs/promises';
import type { Fence } from '../../formats/repository/plans.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Piece, piecesBySegment } from '../../core/repository/piece.ts';
import { headerCrc32c, headerFault, headerSequence, RECORD_HEADER_SIZE_BYTES } from '../../core/wal/record.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { readBytes } from '../../io/data-directory/range-reader.ts';
import type { PieceTarget } from './piece-store.ts';
import { damageBehind, scanSegment } from './segment-scan.ts';
import type { Database } from '../../database/database.ts';
import type { Timeline } from '../../formats/repository/history.ts';
import type { TimelineFile } from '../../formats/data-directory.ts';
import { readTimelineFile, writeTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import type { Store } from '../../store/store.ts';
import { FIRST_TIMELINE } from '../../store/timelines.ts';

type SourceHistory = {
  fence: Fence;
  stored: readonly Piece[];
  pathOf: (segment: SegmentId) => string;
};

/**
 * Whether the files continue what is stored: no file is shorter, and the newest stored record still stands where it
 * stood. A directory that was put back by other hands fails here, before its bytes could mix with the history's.
 * Fails: timeline-diverged; source-damaged, where it only looks so.
 */
export async function checkContinues(target: PieceTarget, history: SourceHistory): Promise<void> {
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
  if (newest !== undefined) await checkLastRecord(target, newest, history.pathOf(newest.segment));
  const lastStored = Math.max(0, ...bySegment.keys());
  const lastPresent = history.fence.segments.at(-1)?.segment ?? 0;
  if (lastStored > lastPresent) throw diverged(lastStored as SegmentId, 'is stored, but the server has only older segments');
}

async function checkLastRecord(target: PieceTarget, piece: Piece, path: string): Promise<void> {
  const { lastRecord } = await target.store.pieces.sidecar(piece, target);
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

/**
 * Which history the directory continues: its own file says so. Without a file it is the first timeline, and is marked
 * as such, as long as no other was ever made. Fails: timeline-diverged.
 */
export async function timelineOfData(
  { timelines: stored }: Pick<Store, 'timelines'>,
  { name: database, walDir }: Pick<Database, 'name' | 'walDir'>,
): Promise<string> {
  const timelines = await stored.all();
  const file = await readTimelineFile(walDir);
  if (file === undefined) {
    const only = timelines.get(FIRST_TIMELINE);
    if (only === undefined || timelines.size !== 1) throw unmarked(walDir, [...timelines.keys()]);
    await writeTimelineFile(walDir, { format: 1, database, timeline: FIRST_TIMELINE, generation: only.generation });
    return FIRST_TIMELINE;
  }
  const known = timelines.get(file.timeline);
  if (known !== undefined && isHistoryOf(file, { database, known })) return file.timeline;
  const whose = `timeline ${file.timeline} of database "${file.database}"`;
  throw new RstowError('timeline-diverged', `${walDir} holds ${whose}, which the repository does not know as ${database}'s`);
}

/** Two repositories that never met may have given one id to two histories: the run that made each tells them apart. */
export function isHistoryOf(file: TimelineFile, of: { database: string; known: Timeline }): boolean {
  return file.database === of.database && (file.fork === undefined || file.fork.runId === of.known.runId);
}

function unmarked(walDir: string, timelines: string[]): RstowError {
  return new RstowError('timeline-diverged', `${walDir} does not say which of the timelines ${timelines.join(', ')} it continues`, {
    details: { walDir, timelines },
  });
}
