import type { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Sidecar, sidecarSchema } from '../../config/repository-json/sidecar.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Piece, pieceKey, sidecarKey } from '../../core/repository/piece.ts';
import type { SegmentId } from '../../core/wal/segment-id.ts';
import { createDigestStage, type StreamDigest } from '../../io/checksum/digest-stage.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { putSealed } from '../../io/repository/sealed-object.ts';
import { zstdCoding } from '../stored/piece-coding.ts';
import type { PieceContent } from '../stored/record-cut.ts';
import { ensureSidecar } from '../stored/sidecar.ts';
import { createChunkFeed } from './chunk-feed.ts';
import { type PieceSource, readPiece } from './piece-reader.ts';

/** Where pieces of one history go. */
export type PieceShelf = { repository: Repository; database: string; timeline: string; runId: string };

/** Few, large objects compress twice as well as many small ones; a segment is 64 MiB by default. */
export const PIECE_SIZE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Stores one piece in one pass: read, check each record, hash, compress, store; then its sidecar. Gives what it
 * held; nothing is stored where there was not one whole record.
 * Fails: timeline-diverged, repository-unavailable, not-enough-space. Twice: same key, same bytes, skipped.
 */
export async function storePiece(shelf: PieceShelf, segment: SegmentId, source: PieceSource): Promise<PieceContent> {
  const staged = await shelf.repository.stage();
  try {
    const stored = createDigestStage();
    const content = await encodePiece(source, [stored.stream, staged.sink]);
    if (content.records > 0) {
      const range = { segment, startBytes: source.startBytes, endBytes: content.endBytes };
      const key = pieceKey(shelf.database, shelf.timeline, range);
      const piece: Piece = { ...range, timeline: shelf.timeline, key };
      const put = await staged.commit(key);
      await putSidecar(shelf, piece, { sidecar: sidecarOf(shelf.runId, content, stored.result()), put });
    }
    return content;
  } finally {
    await staged.discard();
  }
}

/** Reads the piece into the coding, and lets its stored form flow on. */
async function encodePiece(source: PieceSource, sinks: [Transform, Writable]): Promise<PieceContent> {
  const encoder = zstdCoding.encode();
  const flowing = pipeline([...encoder, ...sinks], { signal: source.signal });
  // Awaited below; until the piece is read its failure must not end the process.
  flowing.catch(() => undefined);
  const feed = createChunkFeed(encoder[0]);
  try {
    const content = await readPiece(source, feed);
    await feed.end();
    await flowing;
    return content;
  } catch (error) {
    encoder[0].destroy(error as Error);
    // Where the flow failed first, the feed's failure only follows from it.
    await flowing;
    throw error;
  }
}

function sidecarOf(runId: string, content: PieceContent, stored: StreamDigest): Sidecar {
  const { sha256, records, lastRecord } = content;
  return { format: 1, runId, sha256, records, storedBytes: stored.sizeBytes, storedSha256: stored.sha256, lastRecord };
}

/**
 * The piece was there already: somebody died before its sidecar, or stored it at the same time. Then what is there
 * must be the same plain bytes; its stored form is told by reading it.
 */
async function putSidecar(shelf: PieceShelf, piece: Piece, fresh: { sidecar: Sidecar; put: 'stored' | 'exists' }): Promise<void> {
  const { repository, database } = shelf;
  const key = sidecarKey(database, piece);
  if (fresh.put === 'stored') {
    await putSealed(repository, key, { schema: sidecarSchema, value: fresh.sidecar });
    return;
  }
  const there = await ensureSidecar(shelf, piece);
  if (there.sha256 === fresh.sidecar.sha256) return;
  throw new RstowError('timeline-diverged', `${piece.key} already holds other bytes than the data directory`, {
    details: { key: piece.key },
  });
}
