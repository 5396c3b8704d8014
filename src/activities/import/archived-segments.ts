import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { missingText } from '../../core/wal/continuity.ts';
import type { ScanEnd } from '../../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId, segmentIdText } from '../../core/wal/wal-offset.ts';
import type { Warning } from '../../contract/result.ts';
import { createSha256 } from '../../io/checksum/checksum.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { cutSegment, listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import type { ByteProgress } from '../../replay/progress.ts';
import { createRecordCut, type PieceContent } from '../../store/record-cut.ts';
import { damageBehind } from '../backup/segment-scan.ts';

/** A log as an archive has it: each segment up to its last whole record, where its file ends by now. */
export type ArchivedSegments = { extents: Extent[]; records: number; logSha256: string; warnings: Warning[] };

type Judging = {
  /** What the archive is called in a sentence. */ path: string;
  walDir: string;
  signal: AbortSignal;
  progress: ByteProgress;
};

/**
 * Reads the segments of an archive, cuts what stands behind their last whole records, and says what a server would make of them. Fails:
 * archive-damaged, where a record in the middle is; archive-empty. Twice: the same, but for what was cut before.
 */
export async function readSegments(judging: Judging): Promise<ArchivedSegments> {
  const files = (await listSegments(judging.walDir)) ?? [];
  const log = createSha256();
  const read: ArchivedSegments = { extents: [], records: 0, logSha256: '', warnings: [] };
  let before: Numbers | undefined;
  for (const file of files) {
    const { segment } = file;
    const { numbers, ...content } = await contentOf(file, judging);
    const { endBytes, records, sha256, end } = content;
    log.update(Buffer.from(`${segmentIdText(segment)} ${endBytes} ${sha256}\n`));
    read.extents.push({ segment, endBytes });
    read.records += records;
    if (end.kind !== 'whole') read.warnings.push(await cutTail(file, end, judging.path));
    if (records === 0) continue;
    if (before !== undefined) read.warnings.push(...jumpsBetween(before, numbers));
    before = numbers;
  }
  read.logSha256 = log.digestHex();
  read.warnings = firstOf(read.warnings);
  if (read.records > 0) return read;
  throw new RstowError('archive-empty', `the log in ${judging.path} has no record`, { details: { file: judging.path } });
}

/** They stay in the backup for ever, and travel with each run that reads it. */
const WARNINGS_MAX = 20;

function firstOf(warnings: readonly Warning[]): Warning[] {
  const more = warnings.length - WARNINGS_MAX;
  const last = warnings[WARNINGS_MAX];
  const first = warnings.slice(0, WARNINGS_MAX);
  return last === undefined ? first : [...first, { code: last.code, message: `${more} more warnings of this kind` }];
}

/** Fails: archive-hollow, naming the missing segments. */
export function requireWhole(path: string, extents: readonly Extent[], baseline: SegmentId | undefined): void {
  const segments = extents.map(({ segment }) => segment);
  const missing = missingText(segments, baseline);
  if (missing === undefined) return;
  const isBeginning = segments[0] !== baseline && (segments[0] ?? 1) > 1;
  const why = isBeginning ? ', which a COMPACT has deleted, such as the one that hot-backup.sh begins with' : '';
  const sentence = `${path} lacks ${missing} of the log${why}: a server that starts from it lacks every machine and instance that was created there, and says nothing`;
  throw new RstowError('archive-hollow', sentence, { details: { file: path, missing } });
}

type Content = PieceContent & { numbers: Numbers };

/** The numbers of a segment's records: concurrent writers store some a little out of order. */
type Numbers = { segment: SegmentId; /** The lowest of the first ones. */ first: number; highest: number };

/** So many records may lie between where one should stand and where it does. */
const DISORDER_MAX = 1_000;

async function contentOf({ path, sizeBytes, fileName, segment }: SegmentFile, { signal, progress }: Judging): Promise<Content> {
  progress.doing(fileName);
  const numbers: Numbers = { segment, first: Number.POSITIVE_INFINITY, highest: 0 };
  let seen = 0;
  const cut = createRecordCut({
    startBytes: 0,
    targetBytes: Number.POSITIVE_INFINITY,
    onRecord: ({ sequence }) => {
      seen += 1;
      if (seen <= DISORDER_MAX) numbers.first = Math.min(numbers.first, sequence);
      numbers.highest = Math.max(numbers.highest, sequence);
    },
  });
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes: 0, endBytes: sizeBytes, signal })) {
    cut.push(chunk);
    progress.add(chunk.length);
  }
  return { ...cut.content(), numbers };
}

/** Fails: archive-damaged, if more than a tail would be lost. */
async function cutTail({ path, sizeBytes, fileName, segment }: SegmentFile, end: ScanEnd, archive: string): Promise<Warning> {
  const damage = await damageBehind(path, segment, { end, sizeBytes });
  if (damage !== undefined) {
    throw new RstowError('archive-damaged', `in ${archive}, ${damage.message}`, {
      details: { ...damage.details, file: archive },
      cause: damage,
    });
  }
  await cutSegment(path, end.positionBytes);
  const tailBytes = sizeBytes - end.positionBytes;
  const what = end.kind === 'zeros' ? 'zeros' : 'an incomplete record';
  const why = `${fileName} ended with ${tailBytes} bytes of ${what}, as where a script copies what a server is writing`;
  return { code: end.kind === 'zeros' ? 'zero-tail' : 'torn-tail', message: `${why}; they were cut` };
}

/** Records of a segment that was copied before it was full are in no archive, though the server had answered for them. */
function jumpsBetween(before: Numbers, next: Numbers): Warning[] {
  if (next.first <= before.highest + 1) return [];
  const where = `from ${before.highest} in ${segmentFileName(before.segment)} to ${next.first} in ${segmentFileName(next.segment)}`;
  const why =
    'either the script had copied the one before the server was done with it, and the records in between are lost, or writes that failed have used those numbers up';
  return [{ code: 'records-missing', message: `the numbers of the records jump ${where}: ${why}` }];
}

/** Where an archive's segment was put. */
export const segmentPath = (walDir: string, segment: SegmentId): string => join(walDir, segmentFileName(segment));
