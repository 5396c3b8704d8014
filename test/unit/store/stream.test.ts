import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parsePieceKey } from '../../../src/core/repository/piece.ts';
import type { TimelineNode } from '../../../src/core/backup/history.ts';
import type { SegmentId } from '../../../src/core/wal/wal-offset.ts';
import { zstdCoding } from '../../../src/io/coding/zstd.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Signing } from '../../../src/core/repository/signing.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { signingBy } from '../../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf } from '../../../src/io/signing/ssh-key.ts';
import { type Stream, streamOf } from '../../../src/store/stream.ts';
import { encodedBytes, plainBytes } from '../../../src/store/stored-object.ts';

const SEGMENT = 1 as SegmentId;
const timelines = new Map<string, TimelineNode>([
  ['0001', { timeline: '0001', parent: null }],
  ['0002', { timeline: '0002', parent: { timeline: '0001', extents: [{ segment: SEGMENT, endBytes: 20 }] } }],
]);

function scene() {
  const repository = createMemoryRepository();
  const stream = streamOf({ repository, database: 'orders', coding: zstdCoding, timelines: async () => Promise.resolve(timelines) });
  return { repository, stream };
}

const piece = (startBytes: number, endBytes: number, seenMs: number) => ({
  segment: SEGMENT,
  startBytes,
  endBytes,
  sinceMs: seenMs - 1_000,
  seenMs,
});

it('gives back what was put, with its window of time', async () => {
  const { repository, stream } = scene();
  const bytes = [Buffer.from('ten bytes!'), Buffer.from('and ten   ')];
  const put = await stream.put('0001', piece(0, 20, 5_000), bytes);
  expect(await stream.of('0001')).toEqual([put]);
  const read: Uint8Array[] = [];
  const { signal } = new AbortController();
  for await (const chunk of plainBytes({ repository, coding: zstdCoding, key: put.key, signal })) read.push(chunk);
  expect(Buffer.concat(read).toString()).toBe('ten bytes!and ten   ');
  expect(parsePieceKey(put.key)).toBeUndefined();
});

it('counts of a parent only what lies before the fork', async () => {
  const { stream } = scene();
  const before = await stream.put('0001', piece(0, 20, 5_000), [Buffer.alloc(20)]);
  await stream.put('0001', piece(20, 40, 6_000), [Buffer.alloc(20)]);
  const own = await stream.put('0002', piece(20, 30, 7_000), [Buffer.alloc(10)]);
  expect(await stream.of('0002')).toEqual([own, before]);
});

it('keeps times beyond the pieces that they are of', async () => {
  const { stream } = scene();
  const put = await stream.put('0001', piece(0, 20, 5_000), [Buffer.alloc(20)]);
  const marks = [
    { endBytes: 10, sinceMs: 4_000, seenMs: 4_500 },
    { endBytes: 20, sinceMs: 4_500, seenMs: 5_000 },
  ];
  await stream.putTimes('0001', piece(0, 20, 5_000), marks);
  await stream.remove([put]);
  expect(await stream.of('0001')).toEqual([]);
  const [range] = await stream.times('0001');
  expect(range && (await stream.readTimes(range))).toEqual(marks);
});

describe('an object of the archive', () => {
  const own = signingKeyOf(newPrivateKeyText(), 'own.key');
  const foreign = signingKeyOf(newPrivateKeyText(), 'foreign.key');
  const bytes = [Buffer.alloc(20, 'a')];

  async function signedScene() {
    const disk = createMemoryRepository();
    const passedOver: string[] = [];
    const by = (signing: Signing | undefined): Stream =>
      streamOf({
        repository: { ...disk, signing },
        database: 'orders',
        coding: zstdCoding,
        timelines: async () => Promise.resolve(timelines),
      });
    const trusting = by(signingBy(own, [], (key) => passedOver.push(key)));
    return { disk, by, passedOver, trusting, put: await trusting.put('0001', piece(0, 20, 5_000), bytes) };
  }

  async function read(repository: Repository, key: string): Promise<string> {
    const { signal } = new AbortController();
    const read: Uint8Array[] = [];
    for await (const chunk of plainBytes({ repository, coding: zstdCoding, key, signal })) read.push(chunk);
    return Buffer.concat(read).toString();
  }

  it('bears hash and signature in its name', async () => {
    const { disk, put, trusting, passedOver } = await signedScene();
    expect(put.proof?.sha256).toBe(createHash('sha256').update(Buffer.concat(bytes)).digest('hex'));
    expect(await trusting.of('0001')).toEqual([put]);
    expect(await read(disk, put.key)).toBe('a'.repeat(20));
    expect(passedOver).toEqual([]);
  });

  it('is passed over and named if nobody has signed it, a stranger has, or it is another’s name', async () => {
    const { disk, put, by, trusting, passedOver } = await signedScene();
    const stored = (await disk.read(put.key, { sizeBytesMax: 1e6 })) as Uint8Array;
    const unsigned = await by(undefined).put('0001', piece(20, 40, 6_000), bytes);
    const strangers = await by(signingBy(foreign)).put('0001', piece(20, 40, 6_000), bytes);
    const renamed = [
      put.key.replace('0000000000-0000000014', '0000000014-0000000028'),
      put.key.replace('0000000005000', '0000000006000'),
      put.key.replace(/\/0001\//, '/0002/'),
      put.key.replace(put.proof?.sha256 ?? '', 'ab'.repeat(32)),
    ];
    for (const key of renamed) await disk.put(key, stored);
    expect([...(await trusting.ofTimeline('0001')), ...(await trusting.ofTimeline('0002'))]).toEqual([put]);
    expect(passedOver.sort()).toEqual([unsigned.key, strangers.key, ...renamed].sort());
    // Whoever lists no signers takes them all.
    expect(await by(signingBy(own)).ofTimeline('0001')).toHaveLength(6);
  });

  it('counts in whatever form it is stored', async () => {
    const { disk, put, trusting } = await signedScene();
    const encrypted = `${put.key}.0a1b2c3d.age`;
    await disk.put(encrypted, Buffer.from('age'));
    expect((await trusting.ofTimeline('0001')).map(({ key }) => key)).toEqual([put.key, encrypted]);
  });

  it('gives none of its bytes if they are not those of its name', async () => {
    const { disk, put } = await signedScene();
    const other = await encodedBytes(zstdCoding, [Buffer.alloc(20, 'b')]);
    await disk.deleteMany([put.key]);
    await disk.put(put.key, other);
    await expect(read(disk, put.key)).rejects.toMatchObject({ code: 'damaged-object', details: { key: put.key } });
  });
});
