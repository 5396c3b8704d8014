import { createHash, hash as hashOnce } from 'node:crypto';
import { Transform } from 'node:stream';
import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import { assert } from '../../core/errors/rstow-error.ts';

/** A SHA-256 in the making; `digestHex` ends it. */
type Sha256 = {
  update(bytes: Uint8Array): void;
  digestHex(): string;
};

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function createSha256(): Sha256 {
  const hash = createHash('sha256');
  return {
    update: (bytes) => void hash.update(bytes),
    digestHex: () => hash.digest('hex'),
  };
}

/** A call for all of it costs least while it is short. */
const SHORT_TEXT_LENGTH = 64 * 1024;
const SLICE_LENGTH = 256 * 1024;

/** Of the UTF-8 bytes of some texts, one after another. A long one is never copied as a whole. */
export function textSha256Hex(parts: readonly string[]): string {
  if (parts.reduce((sum, { length }) => sum + length, 0) <= SHORT_TEXT_LENGTH) return hashOnce('sha256', parts.join(''), 'hex');
  const whole = createHash('sha256');
  for (const part of parts) for (const slice of slicesOf(part)) whole.update(slice);
  return whole.digest('hex');
}

/** Never cuts between the two halves of one character. */
function* slicesOf(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const end = start + SLICE_LENGTH;
    const isHalf = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
    yield text.slice(start, isHalf ? end + 1 : end);
    start = isHalf ? end + 1 : end;
  }
}

export type StreamDigest = { sha256: string; sizeBytes: number };

/** A stage of a pipeline that lets everything through unchanged and knows, once it has ended, what that was. */
type DigestStage = {
  readonly stream: Transform;

  /** Only after the pipeline has ended well. */
  result(): StreamDigest;
};

export function createDigestStage(): DigestStage {
  const hash = createSha256();
  let sizeBytes = 0;
  let result: StreamDigest | undefined;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      callback(null, chunk);
    },
    flush(callback) {
      result = { sha256: hash.digestHex(), sizeBytes };
      callback();
    },
  });
  return {
    stream,
    result() {
      assert(result !== undefined, 'a digest is asked for after the end of its stream');
      return result;
    },
  };
}

/** CRC-32C (Castagnoli), the checksum of each WAL record; unsigned 32 bits. Native: the room src/core gets it as an argument. */
export const crc32c: (bytes: Uint8Array) => number = (bytes) => nativeCrc32c(bytes);
