import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../../src/core/errors/rstow-error.ts';
import { crc32c, createDigestStage, createSha256, sha256Hex, textSha256Hex } from '../../../../src/io/checksum/checksum.ts';

const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('checksums', () => {
  it('computes the CRC-32C of RFC 3720, B.4', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });
  it('sums only the part that a view shows', () => {
    const large = Buffer.from('xx123456789xx');
    expect(crc32c(large.subarray(2, 11))).toBe(0xe3069283);
    expect(sha256Hex(Buffer.from('xabcx').subarray(1, 4))).toBe(abc);
  });
  it('computes the SHA-256 of FIPS 180-2, whole or in parts', () => {
    expect(sha256Hex(Buffer.from('abc'))).toBe(abc);
    const hash = createSha256();
    hash.update(Buffer.from('a'));
    hash.update(Buffer.from('bc'));
    expect(hash.digestHex()).toBe(abc);
  });
  it.each([0, 1, 2, 3])('computes that of a long text in slices, and cuts no character in two (%i before)', (before) => {
    const parts = ['x'.repeat(before), '😀ö'.repeat(200_000), ']'];
    expect(textSha256Hex(parts)).toBe(sha256Hex(Buffer.from(parts.join(''))));
    expect(textSha256Hex(['a', 'bc'])).toBe(abc);
  });
  it('lets a stream through unchanged, and knows its hash and size', async () => {
    const stage = createDigestStage();
    const through: Buffer[] = [];
    await pipeline(Readable.from([Buffer.from('a'), Buffer.from('bc')]), stage.stream, async (source) => {
      through.push(await buffer(source));
    });
    expect(Buffer.concat(through).toString()).toBe('abc');
    expect(stage.result()).toEqual({ sha256: abc, sizeBytes: 3 });
  });
  it('asserts that a result is asked for after the end', () => {
    const stage = createDigestStage();
    stage.stream.write(Buffer.from('a'));
    expect(() => stage.result()).toThrow(AssertionError);
  });
});
