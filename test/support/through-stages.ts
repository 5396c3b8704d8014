import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

type Stage = NodeJS.ReadWriteStream;

/** What stages make of the input, which comes in chunks of that size. */
export async function throughStages(input: Uint8Array, stages: readonly Stage[], chunkBytes = 100_000): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  await pipeline([Readable.from(cut(input, chunkBytes), { objectMode: false }), ...stages, sink]);
  return Buffer.concat(chunks);
}

function* cut(input: Uint8Array, chunkBytes: number): Generator<Uint8Array> {
  for (let start = 0; start < input.length; start += chunkBytes) yield input.subarray(start, start + chunkBytes);
}
