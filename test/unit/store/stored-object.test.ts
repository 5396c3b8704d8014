import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { zstdCoding } from '../../../src/io/coding/zstd.ts';
import { storedSegment } from '../../../src/store/stored-object.ts';
import type { PlannedSegment } from '../../../src/core/backup/segment-plan.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { goldenSegment } from '../../fixtures/wal/golden.ts';
import { pieceOf } from '../core/repository/some-pieces.ts';
import { BOUNDARIES, replaceObject, SEGMENT, storedBytes } from '../activities/scene.ts';

const segment = goldenSegment();
const MIDDLE = BOUNDARIES[9]!;
const ENDS = [MIDDLE, segment.length];
const [firstPiece, secondPiece] = [pieceOf(0, MIDDLE), pieceOf(MIDDLE, segment.length)];

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const part = (startBytes: number, endBytes: number): Uint8Array => segment.subarray(startBytes, endBytes);

const planned: PlannedSegment = {
  segment: SEGMENT,
  endBytes: segment.length,
  slices: [
    { key: firstPiece.key, skipBytes: 0, takeBytes: MIDDLE },
    { key: secondPiece.key, skipBytes: 0, takeBytes: segment.length - MIDDLE },
  ],
  ranges: [
    { timeline: '0001', startBytes: 0, endBytes: ENDS[0]!, sha256: sha256(part(0, MIDDLE)), records: 9 },
    {
      timeline: '0001',
      startBytes: ENDS[0]!,
      endBytes: ENDS[1]!,
      sha256: sha256(part(MIDDLE, segment.length)),
      records: BOUNDARIES.length - 10,
    },
  ],
};

async function stored(): Promise<Repository> {
  const repository = createMemoryRepository();
  await repository.put(firstPiece.key, zstdCompressSync(part(0, MIDDLE)));
  await repository.put(secondPiece.key, zstdCompressSync(part(MIDDLE, segment.length)));
  return repository;
}

async function read(repository: Repository, plan = planned): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of storedSegment({ repository, coding: zstdCoding, planned: plan, signal: new AbortController().signal }))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

it('gives back the segment, from its own pieces or from a merged one', async () => {
  const repository = await stored();
  expect((await read(repository)).equals(segment)).toBe(true);
  const merged = pieceOf(0, segment.length);
  await repository.put(merged.key, zstdCompressSync(segment));
  const slices = [
    { key: merged.key, skipBytes: 0, takeBytes: MIDDLE + 7 },
    { key: merged.key, skipBytes: MIDDLE + 7, takeBytes: segment.length - MIDDLE - 7 },
  ];
  expect((await read(repository, { ...planned, slices })).equals(segment)).toBe(true);
});

describe('a stored piece', () => {
  const refused = (repository: Repository, key: string, { code = 'damaged-object', plan = planned } = {}): Promise<void> =>
    expect(read(repository, plan)).rejects.toMatchObject({ code, details: { key } });

  it('is refused with any flipped bit, by its name', async () => {
    const repository = await stored();
    const sound = await storedBytes(repository, secondPiece.key);
    for (let bit = 0; bit < sound.length * 8; bit += 41) {
      const flipped = Uint8Array.from(sound);
      flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
      await replaceObject(repository, secondPiece.key, flipped);
      // A flip that the frame format ignores gives the same bytes, and no other flip may pass.
      const answer = await read(repository).catch((error: unknown) => error);
      if (Buffer.isBuffer(answer)) expect(answer.equals(segment)).toBe(true);
      else
        expect(answer).toMatchObject({
          code: expect.stringMatching(/^(damaged|truncated)-object$/) as string,
          details: { key: secondPiece.key },
        });
    }
  });

  it('is refused when it is missing', async () => {
    const repository = await stored();
    await repository.deleteMany([firstPiece.key]);
    await refused(repository, firstPiece.key, { code: 'missing-object' });
  });

  it('is refused when it is cut short', async () => {
    const repository = await stored();
    const sound = await storedBytes(repository, firstPiece.key);
    for (const sizeBytes of [0, 1, sound.length >> 1, sound.length - 1]) {
      await replaceObject(repository, firstPiece.key, sound.subarray(0, sizeBytes));
      await refused(repository, firstPiece.key, { code: 'truncated-object' });
    }
  });

  it('is refused when it holds fewer plain bytes than its name says', async () => {
    const repository = await stored();
    await replaceObject(repository, secondPiece.key, zstdCompressSync(part(MIDDLE, segment.length - 1)));
    await refused(repository, secondPiece.key, { code: 'truncated-object' });
  });

  it('is refused when it holds other records of the same length', async () => {
    const repository = await stored();
    const other = Uint8Array.from(part(MIDDLE, segment.length));
    // No checksum covers a sequence number: only the range's hash sees it.
    other[23] = other[23]! ^ 0x40;
    await replaceObject(repository, secondPiece.key, zstdCompressSync(other));
    await refused(repository, secondPiece.key);
  });

  it('is refused where the backup counted other records', async () => {
    const [first, second] = planned.ranges as [PlannedSegment['ranges'][number], PlannedSegment['ranges'][number]];
    const ranges = [first, { ...second, records: second.records + 1 }];
    await refused(await stored(), secondPiece.key, { plan: { ...planned, ranges } });
  });
});
