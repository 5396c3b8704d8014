import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Readable, type Transform } from 'node:stream';
import { constants as zlibConstants, createGunzip, createZstdDecompress } from 'node:zlib';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { decrypted, type ArchiveKeys, encryptionOf } from './decrypted.ts';

/** An archive that is open: whatever is put in its place later, this one is read. */
export type ArchiveFile = { path: string; handle: FileHandle; sizeBytes: number };

/** Fails: file-not-allowed, where it is no ordinary file; as the system does. */
export async function openArchive(path: string): Promise<ArchiveFile> {
  // A FIFO would be waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stats = await handle.stat();
  if (stats.isFile()) return { path, handle, sizeBytes: stats.size };
  await handle.close();
  throw new RstowError('file-not-allowed', `${path} is no ordinary file`, { details: { file: path } });
}

/** Read in parts of this size. */
const CHUNK_SIZE_BYTES = 256 * 1024;

/** Of what zstd may ask for memory: what `zstd -d` gives it without an option. */
const WINDOW_LOG_MAX = 27;

type Reading = {
  keys: ArchiveKeys;
  signal: AbortSignal;
  /** How many bytes of the file, or of what was decrypted, have been read. */ onRead: (bytes: number) => void;
};

/**
 * The tar archive in the file: decrypted, decompressed. Fails: archive-locked, archive-truncated, archive-damaged; archive-unsupported, where
 * it is something else.
 */
export async function* tarBytes(file: ArchiveFile, { keys, signal, onRead }: Reading): AsyncGenerator<Uint8Array, void, undefined> {
  const { handle, path } = file;
  const head = await headOf(handle);
  const encryption = encryptionOf(path, head);
  const bytes = encryption === undefined ? fileBytes(handle, signal) : decrypted(file, { encryption, keys, signal });
  const packed = await peeked(bytes);
  const source = counted(packed.rest, onRead);
  switch (compressionOf(packed.head)) {
    case 'gzip':
      return yield* checkedTar(decompressed(source, createGunzip({ chunkSize: CHUNK_SIZE_BYTES }), { path, signal }), path);
    case 'zstd': {
      const params = { [zlibConstants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };
      return yield* checkedTar(decompressed(source, createZstdDecompress({ chunkSize: CHUNK_SIZE_BYTES, params }), { path, signal }), path);
    }
    case 'none':
      return yield* checkedTar(source, path);
  }
}

/**
 * How large the archive is when it is decompressed, as gzip's last four bytes say: undefined for any other file, or where they can't be right.
 * They say it modulo 4 GiB, and of the last of several parts only.
 */
export async function claimedSizeBytes({ handle, sizeBytes }: ArchiveFile): Promise<number | undefined> {
  const head = await headOf(handle);
  if (!startsWith(head, GZIP) || sizeBytes < 18) return undefined;
  const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, sizeBytes - 4);
  const claimedBytes = buffer.readUInt32LE();
  return claimedBytes > sizeBytes ? claimedBytes : undefined;
}

const HEAD_SIZE_BYTES = 512;

async function headOf(handle: FileHandle): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_SIZE_BYTES), 0, HEAD_SIZE_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

async function* fileBytes(handle: FileHandle, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  for (let positionBytes = 0; ;) {
    signal.throwIfAborted();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(CHUNK_SIZE_BYTES), 0, CHUNK_SIZE_BYTES, positionBytes);
    if (bytesRead === 0) return;
    positionBytes += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/** What people have that is no such archive, by its first bytes. */
const OTHERS: readonly { bytes: readonly number[]; atBytes: number; what: string }[] = [
  { bytes: [0xac, 0xcb, 0xba, 0xf5, 2, 0, 0, 0], atBytes: 8, what: 'zfs' },
  { bytes: [0, 0, 0, 2, 0xf5, 0xba, 0xcb, 0xac], atBytes: 8, what: 'zfs' },
  { bytes: [0x42, 0x5a, 0x68], atBytes: 0, what: 'compressed by bzip2' },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a], atBytes: 0, what: 'compressed by xz' },
  { bytes: [0x50, 0x4b, 3, 4], atBytes: 0, what: 'a zip file' },
];

function startsWith(head: Uint8Array, bytes: readonly number[], atBytes = 0): boolean {
  return bytes.every((byte, index) => head[atBytes + index] === byte);
}

function compressionOf(head: Uint8Array): 'gzip' | 'zstd' | 'none' {
  if (startsWith(head, GZIP)) return 'gzip';
  return startsWith(head, ZSTD) ? 'zstd' : 'none';
}

/** Fails: archive-unsupported, before anybody looks for entries in what has none. */
async function* checkedTar(bytes: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, rest } = await peeked(bytes);
  const other = OTHERS.find((known) => startsWith(head, known.bytes, known.atBytes));
  if (other?.what === 'zfs') {
    const sentence = `${path} is a stream of \`zfs send\`, not a tar archive: receive it (\`zcat FILE | zfs receive POOL/NAME\`), then import a tar archive of that data set (\`tar -czf FILE.tar.gz -C MOUNTPOINT .\`)`;
    throw new RstowError('archive-unsupported', sentence, { details: { file: path } });
  }
  const what = other?.what ?? (compressionOf(head) === 'none' ? undefined : 'compressed twice');
  if (what !== undefined) throw new RstowError('archive-unsupported', `${path} is ${what}`, { details: { file: path } });
  yield* rest;
}

type Decompressing = { path: string; signal: AbortSignal };

async function* decompressed(
  bytes: AsyncIterable<Uint8Array>,
  stage: Transform,
  { path, signal }: Decompressing,
): AsyncGenerator<Uint8Array, void, undefined> {
  const flowing = pipeline(Readable.from(bytes, { objectMode: false }), stage, { signal });
  // The loop below meets the same failure.
  flowing.catch(() => undefined);
  try {
    for await (const chunk of stage) yield chunk as Uint8Array;
  } catch (error) {
    throw signal.aborted ? signal.reason : decompressionFailure(error, path);
  }
}

/** @see zlib.h: Z_BUF_ERROR is an end that came too early. */
function decompressionFailure(error: unknown, path: string): unknown {
  const { code = '', message } = error as { code?: string; message: string };
  if (!code.startsWith('Z') || error instanceof RstowError) return error;
  const options = { details: { file: path }, cause: error };
  if (code === 'Z_BUF_ERROR') return new RstowError('archive-truncated', `${path} ends too early`, options);
  return new RstowError('archive-damaged', `${path} can’t be decompressed: ${message}`, options);
}

async function* counted(bytes: AsyncIterable<Uint8Array>, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of bytes) {
    onRead(chunk.length);
    yield chunk;
  }
}

/** The first bytes, and all of them. */
async function peeked(bytes: AsyncIterable<Uint8Array>): Promise<{ head: Uint8Array; rest: AsyncGenerator<Uint8Array, void, undefined> }> {
  const iterator = bytes[Symbol.asyncIterator]();
  let head: Uint8Array = Buffer.alloc(0);
  let isOver = false;
  while (head.length < HEAD_SIZE_BYTES && !isOver) {
    const next = await iterator.next();
    if (next.done === true) isOver = true;
    else head = Buffer.concat([head, next.value]);
  }
  return { head: head.subarray(0, HEAD_SIZE_BYTES), rest: restOf(head, iterator) };
}

async function* restOf(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}
