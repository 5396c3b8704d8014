import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { createRecordCut, type CutRange, type PieceContent } from '../../store/record-cut.ts';
import type { ChunkFeed } from './chunk-feed.ts';

/** The bytes of a segment from `startBytes` on, in the memory that they ask for, or in their own once they have asked. */
export type PieceSource = CutRange & {
  bytes: (nextBuffer: ChunkFeed['nextBuffer']) => AsyncIterable<Uint8Array>;
  /** Whether there must be whole records up to the target itself. */
  isExact?: boolean | undefined;
  signal: AbortSignal;
};

/** One segment's file as a backup reads it: usually a pin, so that compaction can't take it away. */
export type FileSource = CutRange & {
  path: string;
  /** How long an incomplete record may stay unchanged before it counts as torn. */
  tornTailMs: number;
  signal: AbortSignal;
};

const GROWTH_POLL_MS = 50;
const GROWTH_BYTES_MAX = 1024 * 1024;

/** Feeds whole records only, in one pass; tells what they were. */
export async function readPiece(source: PieceSource, feed: Pick<ChunkFeed, 'nextBuffer' | 'write'>): Promise<PieceContent> {
  const cut = createRecordCut(source);
  for await (const chunk of source.bytes(feed.nextBuffer)) {
    feed.write(cut.push(chunk));
    if (cut.isDecided()) break;
  }
  return cut.content();
}

export function growingFile(file: FileSource): PieceSource {
  const { startBytes, targetBytes, onRecord, signal } = file;
  return { startBytes, targetBytes, onRecord, signal, bytes: (nextBuffer) => growingBytes(file, nextBuffer) };
}

/** The bytes up to the target, then whatever a writer that is in the middle of a record still appends. */
async function* growingBytes(source: FileSource, nextBuffer: ChunkFeed['nextBuffer']): AsyncGenerator<Uint8Array> {
  const { path, signal } = source;
  let positionBytes = source.startBytes;
  let untilBytes = source.targetBytes;
  for (;;) {
    yield* readRange({ source: { kind: 'path', path }, startBytes: positionBytes, endBytes: untilBytes, signal, nextBuffer });
    positionBytes = untilBytes;
    const sizeBytes = await grownSize(source, positionBytes);
    if (sizeBytes === positionBytes) return;
    untilBytes = Math.min(sizeBytes, positionBytes + GROWTH_BYTES_MAX);
  }
}

/** Waits until the file is longer; the same size where it stays unchanged for too long. */
async function grownSize(source: FileSource, knownBytes: number): Promise<number> {
  for (let waitedMs = 0; waitedMs <= source.tornTailMs; waitedMs += GROWTH_POLL_MS) {
    const { size } = await stat(source.path);
    if (size > knownBytes) return size;
    await delay(GROWTH_POLL_MS, undefined, { signal: source.signal });
  }
  return knownBytes;
}
