import { Transform } from 'node:stream';
import { assert } from '../../core/errors/assert.ts';
import { createSha256 } from './sha256.ts';

export type StreamDigest = { sha256: string; sizeBytes: number };

/** A stage of a pipeline that lets everything through unchanged and knows, once it has ended, what that was. */
export type DigestStage = {
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
