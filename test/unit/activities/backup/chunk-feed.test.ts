import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createChunkFeed, growingFile, readPiece } from '../../../../src/activities/backup/piece-reader.ts';
import { encodeRecord, recordTypes } from '../../../../src/core/wal/record.ts';
import { crc32c } from '../../../../src/io/checksum/checksum.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-feed-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Records of very different sizes, so that they straddle chunks in every way; together some megabytes. */
function records(): Buffer {
  const sizes = Array.from({ length: 400 }, (_, index) => (index % 50 === 49 ? 1_300_000 : (index * 7919) % 9000));
  return Buffer.concat(
    sizes.map((size, index) => {
      const payload = Buffer.alloc(size, `${index} `);
      return encodeRecord({ type: recordTypes.applyEvent, sequence: index + 1, payload }, crc32c);
    }),
  );
}

/** A first stage that looks at a chunk for the last time just before it calls back, as slowly as a busy compressor. */
function lateCopy(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      setImmediate(() => {
        setImmediate(() => callback(null, Buffer.from(chunk)));
      });
    },
  });
}

async function throughFeed(path: string, targetBytes: number): Promise<{ bytes: Buffer; endBytes: number }> {
  const seen: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      seen.push(chunk);
      callback();
    },
  });
  const first = lateCopy();
  const flowing = pipeline([first, sink]);
  const feed = createChunkFeed(first);
  const source = { path, startBytes: 0, targetBytes, tornTailMs: 500, signal: new AbortController().signal };
  const { endBytes } = await readPiece(growingFile(source), feed);
  await feed.end();
  await flowing;
  return { bytes: Buffer.concat(seen), endBytes };
}

describe('a chunk feed', () => {
  it('gives a slow stream the file’s bytes though their memory is used again', async () => {
    const path = join(folder, 'segment');
    const plain = records();
    await writeFile(path, plain);
    const { bytes, endBytes } = await throughFeed(path, plain.length);
    expect(endBytes).toBe(plain.length);
    expect(bytes.equals(plain)).toBe(true);
  });

  it('writes what is left of a chunk together with the next one', async () => {
    const written: string[] = [];
    const first = new Transform({
      transform(chunk: Buffer, _encoding, callback) {
        written.push(chunk.toString());
        callback();
      },
    });
    const feed = createChunkFeed(first);
    const buffer = await feed.nextBuffer();
    buffer.set(Buffer.from('chunk, and more'));
    feed.write([Buffer.from('left '), Buffer.from('of a '), buffer.subarray(0, 5)]);
    await feed.end();
    expect(written).toEqual(['left of a chunk']);
  });

  it('gives a record whose end is written later whole', async () => {
    const path = join(folder, 'segment');
    const plain = records();
    await writeFile(path, plain.subarray(0, plain.length - 700_000));
    const fed = throughFeed(path, plain.length - 700_000);
    await sleep(100);
    await appendFile(path, plain.subarray(plain.length - 700_000));
    expect((await fed).bytes.equals(plain)).toBe(true);
  });

  it('fails with the stream, and never hangs on one that is gone', async () => {
    const gone = new Transform();
    gone.on('error', () => undefined);
    gone.destroy(new Error('the disk is full'));
    const feed = createChunkFeed(gone);
    feed.write([Buffer.from('x')]);
    await expect(feed.end()).rejects.toThrow();
  });
});
