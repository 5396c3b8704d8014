import type { Warning } from '../../contract/result.ts';
import { isLocked, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { planMerges, sealedSegments } from '../../core/repository/merge-plan.ts';
import { type Piece, rangeKeyOf } from '../../core/repository/piece.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { createRangeCheck } from '../../store/stored-object.ts';
import type { PieceSource } from './piece-reader.ts';
import { type PieceTarget, storeBytes } from './piece-store.ts';

/** A segment as it is stored: its pieces follow one another from byte 0 to its end. */
export type SegmentChain = Extent & { pieces: readonly Piece[] };

export type MergeWork = {
  chains: readonly SegmentChain[];
  /** How far each segment was stored before this backup. */
  storedBefore: readonly Extent[];
  /** Undefined for a segment that the data directory no longer has. */
  pathOf: (segment: SegmentId) => string | undefined;
  /** The newest backup, which damage is recorded of. */
  labelBefore: string | undefined;
  signal: AbortSignal;
};

/**
 * Keeps manifests flat: stores neighbouring pieces once more as one, which the next manifest names. Its bytes are those
 * that the pieces are known to hold, or nothing is stored. They come from the segment's file, else from the pieces. The merged pieces stay
 * for the manifests that name them. Damage that is found on the way is a warning: the log itself is stored by now.
 * Fails: repository-unavailable, not-enough-space. Twice: nothing is left to merge.
 */
export async function mergePieces(target: PieceTarget, work: MergeWork): Promise<Warning[]> {
  const sealed = sealedSegments(work.storedBefore, work.chains);
  const warnings: Warning[] = [];
  for (const { segment, pieces } of work.chains) {
    for (const group of planMerges(pieces, sealed.has(segment))) warnings.push(...(await mergeGroup(target, work, group)));
  }
  return warnings;
}

async function mergeGroup(target: PieceTarget, work: MergeWork, group: readonly Piece[]): Promise<Warning[]> {
  const merge = { target, group, signal: work.signal };
  const warnings: Warning[] = [];
  try {
    const ranges = await knownRanges(target, group);
    const path = work.pathOf((group[0] as Piece).segment);
    const fault = path === undefined ? undefined : await unlessDamaged(mergeFrom(merge, ranges, fileBytes(merge, path)));
    if (fault !== undefined) warnings.push(fileDiffers(group, fault));
    if (path !== undefined && fault === undefined) return [];
    await mergeFrom(merge, ranges, storedBytes(merge));
  } catch (error) {
    // It waits for a host with the key, or for ever: two pieces serve as well as one.
    if (isLocked(error)) return warnings;
    if (!isDamage(error)) throw error;
    warnings.push({
      code: 'damaged-object',
      message: `a piece of the log is damaged, and was not merged with its neighbours: ${error.message}`,
    });
    await noteDamage(target, error, work.labelBefore);
  }
  return warnings;
}

type Merge = { target: PieceTarget; group: readonly Piece[]; signal: AbortSignal };
type KnownRange = { endBytes: number; sha256: string };
type MergeBytes = (nextBuffer: () => Promise<Uint8Array>) => AsyncIterable<{ chunk: Uint8Array; key: string }>;

/** What each piece holds, by the newest manifest or by its sidecar. */
async function knownRanges(target: PieceTarget, group: readonly Piece[]): Promise<KnownRange[]> {
  const ranges: KnownRange[] = [];
  for (const piece of group) {
    const sha256 = target.promised?.get(rangeKeyOf(piece.key)) ?? (await target.store.pieces.sidecar(piece, target)).sha256;
    ranges.push({ endBytes: piece.endBytes, sha256 });
  }
  return ranges;
}

async function mergeFrom({ target, group, signal }: Merge, ranges: readonly KnownRange[], bytes: MergeBytes): Promise<void> {
  const [first, last] = [group[0], group.at(-1)] as [Piece, Piece];
  const check = createRangeCheck(ranges, first.startBytes);
  const source: PieceSource = {
    startBytes: first.startBytes,
    targetBytes: last.endBytes,
    signal,
    isExact: true,
    async *bytes(nextBuffer) {
      for await (const { chunk, key } of bytes(nextBuffer)) {
        check.push(chunk, key);
        yield chunk;
      }
    },
  };
  await storeBytes(target, first.segment, source);
}

function fileBytes({ group, signal }: Merge, path: string): MergeBytes {
  const [first, last] = [group[0], group.at(-1)] as [Piece, Piece];
  return async function* (nextBuffer) {
    const range = { startBytes: first.startBytes, endBytes: last.endBytes, signal, nextBuffer };
    for await (const chunk of readRange({ source: { kind: 'path', path }, ...range })) yield { chunk, key: segmentFileName(first.segment) };
  };
}

function storedBytes({ target, group, signal }: Merge): MergeBytes {
  return async function* (nextBuffer) {
    for (const { key, startBytes, endBytes } of group) {
      let missingBytes = endBytes - startBytes;
      for await (const chunk of target.store.pieces.bytes({ key, signal, plainBytesMax: missingBytes })) {
        missingBytes -= chunk.length;
        await nextBuffer();
        yield { chunk, key };
      }
      if (missingBytes > 0) throw new RstowError('truncated-object', `${key} lacks ${missingBytes} bytes`, { details: { key } });
    }
  };
}

async function unlessDamaged(merging: Promise<void>): Promise<RstowError | undefined> {
  try {
    await merging;
    return undefined;
  } catch (error) {
    if (isDamage(error)) return error;
    throw error;
  }
}

const SOURCE_FAULTS = ['source-damaged', 'data-directory-replaced', 'wal-gap'];

function isDamage(error: unknown): error is RstowError {
  return error instanceof RstowError && (isObjectDamage(error.code) || SOURCE_FAULTS.includes(error.code));
}

function fileDiffers(group: readonly Piece[], { message }: RstowError): Warning {
  const file = segmentFileName((group[0] as Piece).segment);
  return { code: 'source-damaged', message: `${file} is not what was stored of it before, so its server may not start again (${message})` };
}

/** So that the next backup stores it again, if the data directory still has the bytes. */
async function noteDamage({ store, runId }: PieceTarget, { details }: RstowError, label: string | undefined): Promise<void> {
  const key = details['key'];
  if (typeof key !== 'string' || label === undefined) return;
  await store.damage.record({ key, label, runId, atMs: Date.now() });
}
