import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ByteRange } from './port.ts';

/** Measured: four times less work a byte than the 64 KiB of Node's own file streams. */
const BLOCK_SIZE_BYTES = 256 * 1024;

/** The whole file. Fails: damaged-object (larger than sizeBytesMax, which no object of its kind is). */
export async function readWhole(handle: FileHandle, key: string, sizeBytesMax: number): Promise<Uint8Array> {
  const { size } = await handle.stat();
  if (size > sizeBytesMax) {
    const sentence = `${key} has ${size} bytes; at most ${sizeBytesMax} were expected`;
    throw new RstowError('damaged-object', sentence, { details: { key, sizeBytes: size } });
  }
  return handle.readFile();
}

type Reading = { range?: ByteRange | undefined; mapError: (error: unknown) => Error };

/** Owns the handle from now on. Node's own stream is not used because its errors could not be mapped. */
export function readableOf(handle: FileHandle, { range, mapError }: Reading): Readable {
  const { startBytes, endBytes } = range ?? { startBytes: 0, endBytes: Number.POSITIVE_INFINITY };
  let positionBytes = startBytes;
  return new Readable({
    highWaterMark: BLOCK_SIZE_BYTES,
    read() {
      const wantedBytes = Math.min(BLOCK_SIZE_BYTES, endBytes - positionBytes);
      const block = Buffer.allocUnsafeSlow(wantedBytes);
      handle.read(block, 0, wantedBytes, positionBytes).then(
        ({ bytesRead }) => {
          positionBytes += bytesRead;
          this.push(bytesRead === 0 ? null : block.subarray(0, bytesRead));
        },
        (error: unknown) => this.destroy(mapError(error)),
      );
    },
    destroy(error, callback) {
      handle.close().then(
        () => callback(error),
        (closeError: unknown) => callback(error ?? mapError(closeError)),
      );
    },
  });
}
