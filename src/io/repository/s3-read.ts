import { addAbortSignal, Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { createChecksum } from './s3-checksum.ts';
import { isNoSuchKey, s3Failure, statusOf } from './s3-errors.ts';
import type { S3Place } from './s3-place.ts';
import type { ByteRange, ReadOptions } from './port.ts';

/** Of one version, if it is named. */
type Wanted = ReadOptions & { versionId?: string | undefined };

/** Undefined if absent. Fails: damaged-object (larger than sizeBytesMax, or not what was stored), repository-unavailable. */
export async function readWhole(place: S3Place, key: string, options: Wanted & { sizeBytesMax: number }): Promise<Uint8Array | undefined> {
  const { sizeBytesMax } = options;
  const got = await getObject(place, key, options);
  if (got === undefined || got === 'empty') return undefined;
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of checkedBytes(place, key, got)) {
    sizeBytes += chunk.length;
    // Leaving the loop closes the connection.
    if (sizeBytes > sizeBytesMax) throw tooLarge(place, key, sizeBytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge({ description }: S3Place, key: string, sizeBytesMax: number): RstowError {
  const sentence = `${key} in ${description} has more than the ${sizeBytesMax} bytes that were expected at most`;
  return new RstowError('damaged-object', sentence, { details: { key } });
}

/** Undefined if absent. What arrives is compared with the checksum that it was stored with. */
export async function openRead(place: S3Place, key: string, options: Wanted): Promise<Readable | undefined> {
  const { signal } = options;
  signal?.throwIfAborted();
  const got = await getObject(place, key, options);
  if (got === undefined) return undefined;
  const stream = got === 'empty' ? Readable.from([], { objectMode: false }) : readableOf(got.body, checkedBytes(place, key, got));
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

type Got = GetObjectCommandOutput & { body: Readable };

/** A range that holds nothing is asked for too: whether the object is there has to be known. */
async function getObject(place: S3Place, key: string, { range, signal, versionId }: Wanted): Promise<Got | 'empty' | undefined> {
  const command = new GetObjectCommand({
    Bucket: place.bucket,
    Key: `${place.prefix}${key}`,
    ...(versionId === undefined ? {} : { VersionId: versionId }),
    ...(range === undefined ? {} : { Range: rangeText(range) }),
  });
  if (range === undefined) wantChecksum(command);
  try {
    const got = await place.client.send(command, signal === undefined ? {} : { abortSignal: signal });
    const body = got.Body as Readable;
    if (range === undefined || range.startBytes < range.endBytes) return Object.assign(got, { body });
    body.destroy();
    return 'empty';
  } catch (error) {
    if (isNoSuchKey(error)) return undefined;
    // It begins behind the object's end.
    if (range !== undefined && statusOf(error) === 416) return 'empty';
    throw s3Failure(error, `read ${key}`, place);
  }
}

/** Not by the command's own option: the library would then compare it, by slower means, and call damage a failure of the line. */
function wantChecksum(command: GetObjectCommand): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      (args.request as { headers: Record<string, string> }).headers['x-amz-checksum-mode'] = 'ENABLED';
      return next(args);
    },
    { step: 'build', name: 'wantChecksum' },
  );
}

function rangeText({ startBytes, endBytes }: ByteRange): string {
  return `bytes=${startBytes}-${Math.max(startBytes, endBytes - 1)}`;
}

/** A checksum of a part or of parts' checksums says nothing of what is read. */
async function* checkedBytes(place: S3Place, key: string, got: Got): AsyncGenerator<Uint8Array> {
  const promised = got.ChecksumType === 'COMPOSITE' || got.ContentRange !== undefined ? undefined : got.ChecksumCRC32C;
  const checksum = createChecksum();
  try {
    for await (const chunk of got.body as AsyncIterable<Uint8Array>) {
      if (promised !== undefined) checksum.update(chunk);
      yield chunk;
    }
  } catch (error) {
    throw s3Failure(error, `read ${key}`, place);
  }
  if (promised === undefined || promised === checksum.base64()) return;
  const sentence = `${key} in ${place.description} does not have the checksum that it was stored with`;
  throw new RstowError('damaged-object', sentence, { details: { key } });
}

/** Destroying it closes the connection, also if nothing was read yet or the server is silent. */
function readableOf(body: Readable, chunks: AsyncGenerator<Uint8Array>): Readable {
  // A body that nobody reads any more may fail for nobody.
  body.on('error', () => undefined);
  return new Readable({
    highWaterMark: body.readableHighWaterMark,
    read() {
      chunks.next().then(
        (next) => this.push(next.done === true ? null : next.value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      body.destroy();
      callback(error);
    },
  });
}
