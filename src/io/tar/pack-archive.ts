import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Header } from 'tar';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { syncFolder } from '../files/durable.ts';
import { errnoOf, forbidsLinks, orUndefined, unlessAbsent, writeFailure } from '../files/errno.ts';

/** A file or a folder as an archive has it; `sizeBytes` is what its content has to come to. */
export type PackedEntry =
  | { kind: 'folder'; path: string; mode: number }
  | { kind: 'file'; path: string; mode: number; sizeBytes: number; content: () => AsyncIterable<Uint8Array> };

/** The same for all entries, so that one backup always gives the same bytes. */
export type PackedAs = { uid: number; gid: number; mtimeMs: number };

/** What a written file is. */
type WrittenFile = { sizeBytes: number; sha256: string };

const BLOCK_BYTES = 512;

/** A folder's ends with a slash. */
const NAME_BYTES_MAX = 100;

/** A tar archive, in parts. */
export async function* tarOf(entries: readonly PackedEntry[], as: PackedAs): AsyncGenerator<Uint8Array, void, undefined> {
  for (const entry of entries) {
    yield headerOf(entry, as);
    if (entry.kind === 'folder') continue;
    let leftBytes = entry.sizeBytes;
    for await (const chunk of entry.content()) {
      leftBytes -= chunk.length;
      yield chunk;
    }
    assert(leftBytes === 0, 'an entry has the size that its header says');
    yield Buffer.alloc((BLOCK_BYTES - (entry.sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

function headerOf(entry: PackedEntry, { uid, gid, mtimeMs }: PackedAs): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  const isFolder = entry.kind === 'folder';
  const header = new Header({
    path: isFolder ? `${entry.path}/` : entry.path,
    type: isFolder ? 'Directory' : 'File',
    size: isFolder ? 0 : entry.sizeBytes,
    mode: entry.mode,
    uid,
    gid,
    mtime: new Date(mtimeMs),
  });
  assert(Buffer.byteLength(entry.path) < NAME_BYTES_MAX, 'a plain header holds an entry’s name');
  // It also asks for another header where a number has too many octal digits, as a high user id: those are written in base 256, which tar reads.
  header.encode(block);
  return block;
}

type Writing = { /** On the same file system as the file. */ temporaryPath: string; signal: AbortSignal };

/**
 * Writes a compressed archive, durably, readable by its owner alone, and never over a file that is there. The temporary file stays until it is
 * removed: by it a later attempt knows its own. Fails: file-exists, file-not-allowed (its folder is missing, or can't be written), not-enough-space;
 * as the content does. Twice: the file of the first attempt.
 */
export async function writeArchive(file: string, content: () => AsyncIterable<Uint8Array>, writing: Writing): Promise<WrittenFile> {
  const { temporaryPath, signal } = writing;
  if (await isOwn(file, temporaryPath)) return digestOf(file, signal);
  await removeUnfinished(temporaryPath);
  const digest = await writeTemporary(temporaryPath, content(), signal);
  await placeNew(temporaryPath, file);
  await syncFolder(dirname(file));
  return digest;
}

/** Removes what an attempt has not finished, and the second name of what it has. Twice: no-op. */
export async function removeUnfinished(temporaryPath: string): Promise<void> {
  await orUndefined(rm(temporaryPath, { force: true }), NO_PLACE);
}

/** There is no such place: nothing lies there, and nothing can be put there. */
const NO_PLACE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'];

/** Fails: file-exists, if another one's file is there. */
async function isOwn(file: string, temporaryPath: string): Promise<boolean> {
  const [there, own] = await Promise.all([file, temporaryPath].map((path) => orUndefined(lstat(path), NO_PLACE)));
  if (there === undefined) return false;
  if (own !== undefined && own.ino === there.ino && own.dev === there.dev) return true;
  throw exists(file);
}

async function writeTemporary(path: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<WrittenFile> {
  const handle = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw openFailure(error, dirname(path));
  });
  try {
    const digest = createFileDigest();
    const gzip = createGzip();
    const flowing = pipeline(Readable.from(content, { objectMode: false }), gzip, { signal });
    // The loop below meets the same failure.
    flowing.catch(() => undefined);
    for await (const chunk of gzip) {
      digest.see(chunk as Uint8Array);
      await handle.writeFile(chunk as Uint8Array);
    }
    await flowing;
    await handle.sync();
    return digest.result();
  } catch (error) {
    throw writeFailure(error, path);
  } finally {
    await handle.close();
  }
}

const NOT_PERMITTED: readonly string[] = ['EACCES', 'EPERM', 'EROFS'];

/** Another attempt would find the same. */
function openFailure(error: unknown, folder: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || ![...NO_PLACE, ...NOT_PERMITTED].includes(errno)) return writeFailure(error, folder);
  const sentence = errno === 'ENOENT' ? `${folder} does not exist on the agent’s host` : `no file can be made in ${folder}: ${errno}`;
  return new RstowError('file-not-allowed', sentence, { details: { folder }, cause: error });
}

/** A link never takes the place of a file; a disk without links can only be asked before. */
async function placeNew(temporaryPath: string, file: string): Promise<void> {
  try {
    await link(temporaryPath, file);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw exists(file);
    if (!forbidsLinks(error)) throw error;
    if ((await unlessAbsent(lstat(file))) !== undefined) throw exists(file);
    await rename(temporaryPath, file);
  }
}

async function digestOf(file: string, signal: AbortSignal): Promise<WrittenFile> {
  const digest = createFileDigest();
  for await (const chunk of createReadStream(file, { signal })) digest.see(chunk as Uint8Array);
  return digest.result();
}

type FileDigest = { see: (chunk: Uint8Array) => void; result: () => WrittenFile };

function createFileDigest(): FileDigest {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  return {
    see: (chunk) => {
      hash.update(chunk);
      sizeBytes += chunk.length;
    },
    result: () => ({ sizeBytes, sha256: hash.digest('hex') }),
  };
}

function exists(file: string): RstowError {
  return new RstowError('file-exists', `${file} is there already, and no export writes over a file`, { details: { file } });
}
