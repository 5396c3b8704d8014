import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { pieceKey } from '../../../../src/core/repository/piece.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { zstdCoding } from '../../../../src/io/coding/zstd.ts';

const mebibyte = 1024 * 1024;
const zstdPresent = spawnSync('zstd', ['--version']).status === 0;

async function through(stages: Duplex[], bytes: Uint8Array): Promise<Buffer> {
  const last = new PassThrough();
  const result = buffer(last);
  result.catch(() => undefined);
  await pipeline([Readable.from(blocksOf(bytes)), ...stages, last]);
  return result;
}

function* blocksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 256 * 1024) yield bytes.subarray(start, start + 256 * 1024);
}

function zstd(flags: string[], input: Uint8Array): Buffer {
  const run = spawnSync('zstd', [...flags, '-c'], { input, maxBuffer: 256 * mebibyte });
  expect(run.stderr.toString()).toBe('');
  return run.stdout;
}

/** Random, so that it is compressed by nothing but its repetition 20 MiB later. */
function farRepetition(): Buffer {
  const half = randomBytes(20 * mebibyte);
  return Buffer.concat([half, half]);
}

describe('compression of pieces', () => {
  it.each([0, 1, 100, 3 * mebibyte + 1])('gives back %i bytes', async (sizeBytes) => {
    const plain = Buffer.concat([randomBytes(sizeBytes >> 1), Buffer.alloc(sizeBytes - (sizeBytes >> 1), 'ab')]);
    const packed = await through(zstdCoding.encode(), plain);
    expect((await through(zstdCoding.decode('a.zst'), packed)).equals(plain)).toBe(true);
  });
  it.each([100, 256 * 1024, 3 * mebibyte])('gives back more bytes than the %i that were expected', async (expectedSizeBytes) => {
    const plain = Buffer.concat([randomBytes(2 * mebibyte), Buffer.alloc(2 * mebibyte, 'ab')]);
    const packed = await through(zstdCoding.encode(expectedSizeBytes), plain);
    expect((await through(zstdCoding.decode('a.zst', expectedSizeBytes), packed)).equals(plain)).toBe(true);
  });
  it('finds what repeats 20 MiB further on', async () => {
    const packed = await through(zstdCoding.encode(), farRepetition());
    expect(packed.length).toBeLessThan(21 * mebibyte);
  });
  it.skipIf(!zstdPresent)('is read by a plain zstd -d, and reads what zstd wrote', async () => {
    const plain = farRepetition();
    const packed = await through(zstdCoding.encode(), plain);
    expect(zstd(['-d'], packed).equals(plain)).toBe(true);
    const packedByTool = zstd(['-1', '--long=27'], plain);
    expect((await through(zstdCoding.decode('a.zst'), packedByTool)).equals(plain)).toBe(true);
  });
  it.skipIf(!zstdPresent)('refuses a window that takes more memory than zstd -d would', async () => {
    const packed = zstd(['-1', '--long=28', '--no-content-size'], randomBytes(mebibyte));
    await expect(through(zstdCoding.decode('a.zst'), packed)).rejects.toThrow();
  });
  it('calls every proper prefix of a frame truncated', async () => {
    const packed = await through(zstdCoding.encode(), Buffer.from('order '.repeat(20)));
    for (let length = 0; length < packed.length; length += 1) {
      const error = await through(zstdCoding.decode('a.zst'), packed.subarray(0, length)).catch((cause: unknown) => cause);
      expect(zstdCoding.errorOf(error, 'a/b')).toMatchObject({ code: 'truncated-object', details: { key: 'a/b' } });
    }
  });
  it('gives no other bytes for any flipped bit', async () => {
    const plain = Buffer.from('order 1, order 2, order 33');
    const packed = await through(zstdCoding.encode(), plain);
    for (let bit = 0; bit < packed.length * 8; bit += 1) {
      const flipped = Buffer.from(packed);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const result = await through(zstdCoding.decode('a.zst'), flipped).catch((error: unknown) => zstdCoding.errorOf(error, 'a'));
      if (Buffer.isBuffer(result)) expect(result.equals(plain)).toBe(true);
      // A flip in a block's length makes the frame end too early by its own saying.
      else expect(result).toMatchObject({ code: expect.stringMatching(/^(damaged|truncated)-object$/) as string });
    }
  });
  it('shows at the end of a piece’s key', () => {
    const range = { segment: makeSegmentId(1)!, startBytes: 0, endBytes: 1 };
    expect(pieceKey('orders', '0001', { ...range, suffix: zstdCoding.suffix })).toMatch(
      new RegExp(`0000000001\\.wal\\${zstdCoding.suffix}$`),
    );
  });
  it('passes other errors untouched', () => {
    const other = new TypeError('other');
    expect(zstdCoding.errorOf(other, 'a')).toBe(other);
  });
});
