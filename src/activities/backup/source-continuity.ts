import { stat } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { isLocked, isObjectDamage } from '../../core/errors/error-table.ts';
import { parsePieceKey, type Piece, piecesBySegment } from '../../core/repository/piece.ts';
import { parseStreamKey } from '../../core/repository/stream-piece.ts';
import { headerCrc32c, headerFault, headerSequence, RECORD_HEADER_SIZE_BYTES } from '../../core/wal/record.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { readBytes } from '../../io/data-directory/range-reader.ts';
import { holdsBytes } from './known-bytes.ts';
import type { PieceTarget } from './piece-store.ts';
import { damageBehind, scanSegment } from './segment-scan.ts';
import type { Database } from '../../database/database.ts';
import { FIRST_TIMELINE, type Timeline } from '../../formats/repository/history.ts';
import type { TimelineFile } from '../../formats/data-directory.ts';
import { readTimelineFile, writeTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { createRecordCut, type LastRecord } from '../../store/record-cut.ts';
import type { Store } from '../../store/store.ts';

/** What is stored of a history, and the files that are to continue it. */
export type SourceHistory = {
  /** How long each file is, or was at a fence; sorted. */
  files: readonly Extent[];
  pathOf: (segment: SegmentId) => string;
  /** The newest segment that the directory has by now. */
  newest: SegmentId;
  /** In wal/ and stream/. */
  stored: readonly Piece[];
  /** Whether each segment's last stored record is looked at, and not only the newest segment's. */
  isThorough?: boolean | undefined;
};

/** What lies in stream/ of a history comes from its owner's own process: where calls cost, it knows that. */
const STREAM_RECALLED_MS = 3_600_000;

/** All that is stored of a history. The directory is listed last: what is stored by then came from there. Fails: timeline-diverged. */
export async function storedHistory(
  { pieces, stream }: Pick<Store, 'pieces' | 'stream'>,
  { timeline, walDir }: { timeline: string; walDir: string },
): Promise<Pick<SourceHistory, 'stored' | 'newest'>> {
  const stored = [...(await pieces.of(timeline)), ...(await stream.of(timeline, STREAM_RECALLED_MS))];
  return { stored, newest: (await listSegments(walDir))?.at(-1)?.segment ?? NO_SEGMENT };
}

const NO_SEGMENT = 0 as SegmentId;

/** A segment whose file is not what is stored of it. */
export type Divergence = {
  segment: SegmentId;
  /** As it follows the segment's name. */ what: string;
  /** If the file is damaged: it is no other history for that. */ damage?: RstowError | undefined;
};

/**
 * Whether the files continue what is stored: no file is shorter, and the newest stored record still stands where it
 * stood. A directory that was put back by other hands fails here, before its bytes could mix with the history's.
 * Fails: timeline-diverged; source-damaged, where it only looks so.
 */
export async function checkContinues(target: PieceTarget, history: SourceHistory): Promise<void> {
  for await (const { segment, what, damage } of divergences(target, history)) {
    throw damage ?? new RstowError('timeline-diverged', `${segmentFileName(segment)} ${what}`, { details: { segment } });
  }
}

/** Each segment in which the files and what is stored differ, as far as is looked. */
export async function* divergences(target: PieceTarget, history: SourceHistory): AsyncGenerator<Divergence> {
  const { files, pathOf, isThorough = false } = history;
  const stored = piecesBySegment(history.stored.filter(({ endBytes }) => endBytes > 0));
  const last = files.findLast(({ segment }) => stored.has(segment));
  for (const { segment, endBytes } of files) {
    const pieces = stored.get(segment) ?? [];
    const storedBytes = pieces.reduce((last, piece) => Math.max(last, piece.endBytes), 0);
    // A record that straddles the fence is stored whole: whoever comes after, as this run's next attempt, finds it behind.
    const sizeBytes = storedBytes > endBytes ? (await stat(pathOf(segment))).size : endBytes;
    if (storedBytes > sizeBytes) yield { segment, what: `has ${sizeBytes} bytes, but ${storedBytes} are stored of it` };
    else if (isThorough || segment === last?.segment) yield* differingRecord(target, pieces, pathOf(segment));
  }
  for (const segment of stored.keys()) {
    if (segment > history.newest) yield { segment, what: 'is stored, but the server has only older segments' };
  }
}

/** Compares what is stored last of a segment, and known, with its file. */
async function* differingRecord(target: PieceTarget, pieces: readonly Piece[], path: string): AsyncGenerator<Divergence> {
  for (const piece of pieces.toSorted((one, other) => other.endBytes - one.endBytes)) {
    // The archive's small objects say it by their names: nothing has to be read there, nor opened.
    const named = parseStreamKey(piece.key)?.proof;
    if (named !== undefined && (await holdsBytes(path, piece, named))) return;
    const lastRecord = await lastRecordOf(target, piece);
    if (lastRecord === undefined && named === undefined) continue;
    if (lastRecord !== undefined && (await holdsRecord(path, lastRecord))) return;
    const { segment, startBytes } = piece;
    const what =
      lastRecord === undefined
        ? `has other bytes than the stored history from byte ${startBytes} on`
        : `has another record at byte ${lastRecord.startBytes} than the stored history`;
    yield { segment, what, damage: await damageWithin(piece, path) };
    return;
  }
}

async function holdsRecord(path: string, { startBytes, crc32c, sequence }: LastRecord): Promise<boolean> {
  const header = await readBytes({ source: { kind: 'path', path }, startBytes, endBytes: startBytes + RECORD_HEADER_SIZE_BYTES });
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  return headerFault(view, 0) === undefined && headerCrc32c(view, 0) === crc32c && headerSequence(view, 0) === sequence;
}

/** Undefined if the object is damaged, was deleted meanwhile, as the archive does with what others cover, or can't be opened here. */
async function lastRecordOf(target: PieceTarget, piece: Piece): Promise<LastRecord | undefined> {
  const { pieces } = target.store;
  try {
    if (parsePieceKey(piece.key) !== undefined) return (await pieces.sidecar(piece, target)).lastRecord;
    const cut = createRecordCut({ startBytes: piece.startBytes, targetBytes: piece.endBytes });
    const { signal } = new AbortController();
    for await (const chunk of pieces.bytes({ key: piece.key, signal })) cut.push(chunk);
    const { endBytes, lastRecord } = cut.content();
    return endBytes === piece.endBytes ? lastRecord : undefined;
  } catch (error) {
    if (error instanceof RstowError && (isObjectDamage(error.code) || isLocked(error))) return undefined;
    throw error;
  }
}

/** A log that was written on behind a torn record is damaged: it is no other history for that. */
async function damageWithin(piece: Piece, path: string): Promise<RstowError | undefined> {
  const { size } = await stat(path);
  const { end } = await scanSegment({ path, startBytes: piece.startBytes, sizeBytes: size });
  return end.positionBytes < piece.endBytes ? damageBehind(path, piece.segment, { end, sizeBytes: size }) : undefined;
}

/**
 * Which history the directory continues: its own file says so. Without a file it is the first timeline, and is marked
 * as such, as long as no other was ever made. Fails: timeline-diverged.
 */
export async function timelineOfData(
  { timelines: stored }: Pick<Store, 'timelines'>,
  { name: database, walDir }: Pick<Database, 'name' | 'walDir'>,
): Promise<string> {
  const file = await readTimelineFile(walDir);
  if (file === undefined) {
    const timelines = await stored.all();
    const own = [...timelines.values()].filter(({ why }) => why !== 'import').map(({ timeline }) => timeline);
    const only = timelines.get(FIRST_TIMELINE);
    if (only === undefined || own.length !== 1) throw unmarked(walDir, own);
    await writeTimelineFile(walDir, { format: 1, database, timeline: FIRST_TIMELINE, generation: only.generation });
    return FIRST_TIMELINE;
  }
  const known = (await stored.having(file.timeline)).get(file.timeline);
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
