import { once } from 'node:events';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Parser, type ReadEntry } from 'tar';
import { entryOf } from '../../core/import/archive-entry.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { countedText, countText } from '../../core/text/figures.ts';
import { segmentsText } from '../../core/wal/continuity.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { writeFailure } from '../files/errno.ts';
import { requireSpace } from '../files/free-space.ts';
import type { Ownership } from '../files/ownership.ts';

export type UnpackLimits = {
  entriesMax: number;
  /** Plain bytes for each byte that is read; a log of equal records comes to some hundreds. */
  ratioMax: number;
  /** Up to here any ratio is harmless. */
  harmlessBytes: number;
};

export const UNPACK_LIMITS: UnpackLimits = { entriesMax: 500_000, ratioMax: 500, harmlessBytes: 256 * 1024 * 1024 };

/** Of texts: an archive has one or two, and what is read of them is kept. */
const SMALL_FILE_BYTES_MAX = 64 * 1024;
const TEXTS_MAX = 100;

export type Unpacking = {
  /** What the archive is called in a sentence. */
  path: string;
  /** An empty folder of the run's own: the segments come to lie in its `wal/`, under names that are made here. */
  folder: string;
  /** Of the file that the plain bytes come from, so far. */
  readBytes: () => number;
  limits: UnpackLimits;
  signal: AbortSignal;
};

export type UnpackedLog = {
  /** The folder in the archive in which `wal/` lies. */
  folder: string;
  segments: SegmentId[];
  /** The texts of `backup.json`, and of a baseline's mark. */
  about?: string | undefined;
  baseline?: string | undefined;
  /** Of the newest entry (Unix ms). */
  newestMs: number;
  /** As the archive's entries say: root's, if root has copied the files. */
  ownership: Ownership;
};

type Reading = Unpacking & {
  entries: number;
  plainBytes: number;
  /** The archive's end has been seen. */
  isOver: boolean;
  /** The first one counts. */
  failure: Error | undefined;
  /** What is being written of the entry at hand, and of those before. */
  work: Promise<void>;
  /** By the folder in the archive. */
  logs: Map<string, ReadLog>;
  texts: Map<string, string>;
  snapshots: number;
  newestMs: number;
  ownership: Ownership;
};

type ReadLog = { /** Where its segments are written. */ walDir: string; written: Map<SegmentId, 'whole' | 'part'> };

/**
 * Writes the segments of an archive into a folder, and nothing else of it anywhere. Memory holds one chunk. Fails: archive-unsupported,
 * archive-empty, archive-truncated, archive-damaged, archive-refused, not-enough-space; as the plain bytes do.
 */
export async function unpackLog(plain: AsyncIterable<Uint8Array>, to: Unpacking): Promise<UnpackedLog> {
  const reading = newReading(to);
  const parser = parserOf(reading);
  const ended = once(parser, 'end');
  try {
    for await (const chunk of plain) {
      to.signal.throwIfAborted();
      countPlain(reading, chunk.length);
      if (reading.failure !== undefined) break;
      // What follows is read to its end all the same: its checksum comes last.
      if (reading.isOver || parser.write(chunk as Buffer)) continue;
      await once(parser, 'drain', { signal: to.signal });
    }
  } catch (error) {
    fail(reading, error);
  }
  parser.end();
  await ended;
  await reading.work;
  return unpacked(reading);
}

function newReading(to: Unpacking): Reading {
  return {
    ...to,
    entries: 0,
    plainBytes: 0,
    isOver: false,
    failure: undefined,
    work: Promise.resolve(),
    logs: new Map(),
    texts: new Map(),
    snapshots: 0,
    newestMs: 0,
    ownership: { uid: 0, gid: 0, folderMode: 0o755, fileMode: 0o644 },
  };
}

function parserOf(reading: Reading): Parser {
  const parser = new Parser({ brotli: false, zstd: false });
  parser.on('entry', (entry: ReadEntry) => takeEntry(reading, entry));
  parser.on('ignoredEntry', (entry: ReadEntry) => refuse(reading, `${entry.path} is no ordinary file, but of type ${entry.type}`));
  parser.on('warn', (_code, message) => takeWarning(reading, String(message)));
  parser.on('eof', () => (reading.isOver = true));
  return parser;
}

function fail(reading: Reading, error: unknown): void {
  reading.failure ??= error as Error;
}

function refuse(reading: Reading, why: string): void {
  fail(reading, new RstowError('archive-refused', `${reading.path} is refused: ${why}`, { details: { file: reading.path } }));
}

function countPlain(reading: Reading, sizeBytes: number): void {
  reading.plainBytes += sizeBytes;
  const { plainBytes, limits } = reading;
  if (plainBytes <= limits.harmlessBytes || plainBytes <= reading.readBytes() * limits.ratioMax) return;
  refuse(reading, `it is more than ${limits.ratioMax} times as large when it is decompressed`);
}

/** What the parser calls a truncated entry is known by the missing end. */
function takeWarning(reading: Reading, message: string): void {
  if (message.startsWith('Truncated input')) return;
  const { path, entries } = reading;
  const options = { details: { file: path } };
  if (entries === 0)
    fail(reading, new RstowError('archive-unsupported', `${path} is ${reading.readBytes() === 0 ? 'empty' : 'no tar archive'}`, options));
  else fail(reading, new RstowError('archive-damaged', `${path} is damaged behind entry ${entries}: ${message}`, options));
}

function takeEntry(reading: Reading, entry: ReadEntry): void {
  reading.entries += 1;
  if (reading.entries > reading.limits.entriesMax) refuse(reading, `it has more than ${countText(reading.limits.entriesMax)} entries`);
  const reads = reading.failure === undefined ? consumer(reading, entry) : undefined;
  if (reads === undefined) {
    entry.resume();
    return;
  }
  reading.work = Promise.all([reading.work, reads]).then(
    () => undefined,
    (error: unknown) => {
      fail(reading, error);
      entry.resume();
    },
  );
}

/** Undefined for what is passed over, or refused. */
function consumer(reading: Reading, entry: ReadEntry): Promise<void> | undefined {
  const found = entryOf({ path: entry.path, type: entry.type });
  reading.newestMs = Math.max(reading.newestMs, entry.mtime?.getTime() ?? 0);
  switch (found.kind) {
    case 'segment':
      return segmentConsumer(reading, entry, found);
    case 'about':
    case 'baseline':
      return textConsumer(reading, entry, `${found.kind}:${found.folder}`);
    case 'refused':
      refuse(reading, found.why);
      return undefined;
    case 'wal-folder':
      reading.ownership = { ...reading.ownership, uid: entry.uid ?? 0, gid: entry.gid ?? 0, folderMode: entry.mode ?? 0o755 };
      return undefined;
    case 'snapshot':
      reading.snapshots += 1;
      return undefined;
    case 'other':
      return undefined;
  }
}

type Segment = { folder: string; segment: SegmentId };

function segmentConsumer(reading: Reading, entry: ReadEntry, { folder, segment }: Segment): Promise<void> | undefined {
  const log = logOf(reading, folder);
  if (log === undefined) return undefined;
  if (log.written.has(segment)) {
    refuse(reading, `it has ${segmentFileName(segment)} twice`);
    return undefined;
  }
  log.written.set(segment, 'part');
  reading.ownership = { ...reading.ownership, fileMode: entry.mode ?? 0o644 };
  return writeSegment(log, entry, segment);
}

/** A log within another one's folder is none of a server's: the guide's own decryption leaves such. Which one is within comes out at the end. */
function logOf(reading: Reading, folder: string): ReadLog | undefined {
  const { logs, path } = reading;
  const known = logs.get(folder);
  if (known !== undefined) return known;
  const other = [...logs.keys()].find((each) => !isWithin(each, folder) && !isWithin(folder, each));
  if (other !== undefined || logs.size === LOGS_MAX) {
    const named = [other ?? '', folder].map((each) => `"${each}/wal"`).join(' and ');
    fail(reading, new RstowError('archive-unsupported', `${path} holds more than one database: ${named}`, { details: { file: path } }));
    return undefined;
  }
  const log = { walDir: join(reading.folder, `log-${logs.size}`), written: new Map() };
  logs.set(folder, log);
  return log;
}

const LOGS_MAX = 8;

const isWithin = (folder: string, outer: string): boolean => outer === '' || folder.startsWith(`${outer}/`);

/** A claim of its size that the disk can't hold is refused before a byte is written. */
async function writeSegment({ walDir, written }: ReadLog, entry: ReadEntry, segment: SegmentId): Promise<void> {
  const path = join(walDir, segmentFileName(segment));
  await mkdir(walDir, { recursive: true, mode: 0o700 });
  await requireSpace(walDir, entry.size);
  const handle = await open(path, 'wx', 0o600);
  let sizeBytes = 0;
  try {
    for await (const chunk of entry) {
      await handle.writeFile(chunk);
      sizeBytes += chunk.length;
    }
  } catch (error) {
    throw writeFailure(error, path);
  } finally {
    await handle.close();
  }
  if (sizeBytes === entry.size) written.set(segment, 'whole');
}

/** Undefined for what is too long for such a text. */
function textConsumer(reading: Reading, entry: ReadEntry, name: string): Promise<void> | undefined {
  if (entry.size > SMALL_FILE_BYTES_MAX) return undefined;
  reading.texts.set(name, '');
  if (reading.texts.size <= TEXTS_MAX) return readText(reading, entry, name);
  refuse(reading, `it has more than ${TEXTS_MAX} folders with a backup.json`);
  return undefined;
}

async function readText(reading: Reading, entry: ReadEntry, name: string): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry) chunks.push(chunk);
  reading.texts.set(name, Buffer.concat(chunks).toString('utf8'));
}

/** Fails: as `unpackLog`. */
async function unpacked(reading: Reading): Promise<UnpackedLog> {
  const { failure, isOver, texts, newestMs, ownership } = reading;
  if (failure !== undefined) throw isTruncation(failure) ? truncated(reading, failure) : failure;
  if (!isOver) throw truncated(reading);
  const [folder, log] = outermost(reading) ?? [];
  if (folder === undefined || log === undefined) throw empty(reading);
  await rename(log.walDir, join(reading.folder, 'wal'));
  const segments = [...log.written.keys()].sort((one, other) => one - other);
  return { folder, segments, about: texts.get(`about:${folder}`), baseline: texts.get(`baseline:${folder}`), newestMs, ownership };
}

function outermost({ logs }: Reading): [string, ReadLog] | undefined {
  return [...logs].sort(([one], [other]) => one.length - other.length)[0];
}

function empty({ path, snapshots }: Reading): RstowError {
  const what = snapshots === 0 ? 'no log' : `${countedText(snapshots, 'snapshot')} and no log`;
  const why = snapshots === 0 ? '' : ': a server never reads snapshots at its start';
  const sentence = `${path} holds ${what}: there is no wal/ with segments in it${why}`;
  return new RstowError('archive-empty', sentence, { details: { file: path } });
}

function isTruncation(error: unknown): boolean {
  return error instanceof RstowError && error.code === 'archive-truncated';
}

function truncated(reading: Reading, cause?: unknown): RstowError {
  const { path } = reading;
  const written = outermost(reading)?.[1].written ?? new Map<SegmentId, 'whole' | 'part'>();
  const ids = (state: 'whole' | 'part'): SegmentId[] => [...written].filter(([, of]) => of === state).map(([segment]) => segment);
  const whole = ids('whole');
  const read =
    whole.length === 0
      ? 'no whole segment could be read'
      : `${countedText(whole.length, 'whole segment')} could be read (${segmentsText(whole)})`;
  const part = ids('part').length === 0 ? '' : `, and a part of ${segmentsText(ids('part'))}`;
  const details = { file: path, wholeSegments: whole.map(String) };
  return new RstowError(
    'archive-truncated',
    `${path} ends too early: ${read}${part}`,
    cause === undefined ? { details } : { details, cause },
  );
}
