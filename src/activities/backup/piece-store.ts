import type { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Sidecar } from '../../formats/repository/piece.ts';
import { isLocked, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Piece, rangeKeyOf } from '../../core/repository/piece.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { createDigestStage, type StreamDigest } from '../../io/checksum/checksum.ts';
import type { Coding } from '../../io/coding/port.ts';
import type { PieceContent } from '../../store/record-cut.ts';
import type { PieceRun } from '../../store/sidecars.ts';
import type { Store } from '../../store/store.ts';
import { createChunkFeed, type FileSource, growingFile, type PieceSource, readPiece } from './piece-reader.ts';
import type { Warning } from '../../contract/result.ts';

/** Where pieces of one history go. */
export type PieceTarget = PieceRun & {
  store: Store;
  timeline: string;
};

/**
 * Stores one piece of a segment's file in one pass: read, check each record, hash, compress, store; then its sidecar. Gives what it
 * held; nothing is stored if there was not one whole record.
 * A damaged object of that name is put aside. Fails: timeline-diverged, repository-unavailable, not-enough-space.
 * Twice: same key, same bytes, skipped.
 */
export function storePiece(target: PieceTarget, segment: SegmentId, source: FileSource): Promise<PieceContent> {
  return storeBytes(target, segment, growingFile(source));
}

/** The same, of any bytes. Fails: damaged-object, if they have to be whole records up to the target and are not. */
export async function storeBytes(target: PieceTarget, segment: SegmentId, source: PieceSource): Promise<PieceContent> {
  const { pieces, coding } = target.store;
  const pieceUntil = (endBytes: number): Piece => pieces.at(target.timeline, { segment, startBytes: source.startBytes, endBytes });
  const staged = await pieces.stage(pieceUntil(source.targetBytes).key);
  try {
    const stored = createDigestStage();
    const content = await encodePiece(coding, source, [stored.stream, staged.sink]);
    if (source.isExact === true && content.endBytes !== source.targetBytes) throw noWholeRecords(segment, content);
    if (content.records === 0) return content;
    const piece = pieceUntil(content.endBytes);
    const { key } = piece;
    // A record ends elsewhere: now that this is known, the bytes are read once more.
    if (!staged.takes(key)) return await storeBytes(target, segment, { ...source, targetBytes: content.endBytes, onRecord: undefined });
    if ((target.promised?.get(rangeKeyOf(key)) ?? content.sha256) !== content.sha256) throw otherBytes(key);
    const isFresh = (await staged.commit(key)) === 'stored';
    if (isFresh) await pieces.putSidecar(piece, sidecarOf(target.runId, content, stored.result()));
    // The staged bytes are gone with the name that was taken: they are read once more.
    else if (!(await holdsSame(target, piece, content.sha256))) return await storeBytes(target, segment, source);
    return content;
  } finally {
    await staged.discard();
  }
}

/** Reads the piece into the coding, and lets its stored form flow on. */
async function encodePiece(coding: Coding, source: PieceSource, sinks: [Transform, Writable]): Promise<PieceContent> {
  const expectedSizeBytes = source.targetBytes - source.startBytes;
  const encoder = coding.encode(expectedSizeBytes);
  const flowing = pipeline([...encoder, ...sinks], { signal: source.signal });
  // Awaited below; until the piece is read its failure must not end the process.
  flowing.catch(() => undefined);
  const feed = createChunkFeed(encoder[0], expectedSizeBytes);
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
 * must be the same plain bytes. False where it was damaged, and has been put aside. Fails: timeline-diverged.
 */
async function holdsSame(target: PieceTarget, piece: Piece, sha256: string): Promise<boolean> {
  const { runId } = target;
  const { pieces } = target.store;
  try {
    // Whoever has died before the sidecar has stored these very bytes, or it is nobody's whom the config lists.
    const ours = { ...target, promised: new Map([[rangeKeyOf(piece.key), sha256]]) };
    if ((await pieces.sidecar(piece, ours)).sha256 === sha256) return true;
    if (await isLockedHere(target, piece)) throw otherBytes(piece.key);
    const there = await pieces.readWhole(piece, target);
    if (there.sha256 !== sha256) throw otherBytes(piece.key);
    // The piece is sound, and what its sidecar says is another's.
    await pieces.replaceSidecar(piece, there, runId);
    return true;
  } catch (error) {
    // Without a key nobody here makes the sidecar that is missing.
    if (!isLocked(error) && !(error instanceof RstowError && isObjectDamage(error.code))) throw error;
    await pieces.makeRoom(piece, runId);
    target.warn?.(storedAgain([piece.key]));
    return false;
  }
}

/** Whether what a sidecar says can't be held against its piece. */
async function isLockedHere({ store }: PieceTarget, { key }: Piece): Promise<boolean> {
  return store.coding.requireKey(key).then(() => false, isLocked);
}

function noWholeRecords(segment: SegmentId, { endBytes }: PieceContent): RstowError {
  return new RstowError('damaged-object', `${segmentFileName(segment)} has no whole record at byte ${endBytes}`);
}

function otherBytes(key: string): RstowError {
  return new RstowError('timeline-diverged', `${key} holds other bytes than the data directory`, { details: { key } });
}

const NAMED_MAX = 3;

/** The objects are sound again, but a disk that damages one may damage others. */
export function storedAgain(keys: readonly string[]): Warning {
  const objects = keys.length === 1 ? 'damaged or missing object was' : 'damaged or missing objects were';
  const message = `${keys.length} ${objects} stored again from the server’s log (${namedKeys(keys)}): see whether the repository’s disk is failing`;
  return { code: 'stored-again', message };
}

export function namedKeys(keys: readonly string[]): string {
  return `${keys.slice(0, NAMED_MAX).join(', ')}${keys.length > NAMED_MAX ? ', …' : ''}`;
}
