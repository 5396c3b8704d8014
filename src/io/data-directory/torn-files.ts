import { open, readFile, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { findSegmentTail, type SegmentTail } from '../../core/wal/segment-tail.ts';
import type { Crc32c } from '../../core/wal/record.ts';
import { makeFolder, syncFolder } from '../files/durable.ts';
import { unlessAbsent } from '../files/errno.ts';
import { readBytes as readBytesOf } from './range-reader.ts';
import { rstowFolder } from './rstow-folder.ts';
import { cutSegment, type SegmentFile } from './segments.ts';

/** So much of the end is read: more than a disk loses that was told to sync each write. What is damaged before, the server finds. */
const READ_BYTES = 2 * 1024 * 1024;

/** The bytes that were no record are kept in `keptAt`; undefined if they were zeros. */
export type TailCut = { kind: 'cut'; endBytes: number; cutBytes: number; keptAt: string | undefined };

/**
 * Ends the newest segment behind its last whole record, durably. No server has it open. Behind damage that whole records
 * follow nothing is cut. Twice: `whole`.
 */
export async function cutTornTail(
  dataDir: string,
  { path, fileName }: SegmentFile,
  crc32c: Crc32c,
): Promise<TailCut | { kind: 'whole' } | { kind: 'damaged'; endBytes: number }> {
  const { kind, endBytes, tail } = await readTail(path, crc32c);
  if (kind === 'whole') return { kind };
  if (kind === 'damaged') return { kind, endBytes };
  const keptAt = tail.every((byte) => byte === 0) ? undefined : await keep(dataDir, `${basename(fileName, '.wal')}-${endBytes}.tail`, tail);
  await cutSegment(path, endBytes);
  return { kind: 'cut', endBytes, cutBytes: tail.length, keptAt };
}

/** `endBytes` is a position in the segment, `tail` what follows it. */
async function readTail(path: string, crc32c: Crc32c): Promise<SegmentTail & { tail: Uint8Array }> {
  const { size } = await stat(path);
  for (let readBytes = READ_BYTES; ; readBytes *= 4) {
    const startBytes = Math.max(0, size - readBytes);
    const bytes = await readBytesOf({ source: { kind: 'path', path }, startBytes, endBytes: size });
    const found = findSegmentTail(bytes, crc32c, { isWhole: startBytes === 0 });
    if (found !== undefined) return { kind: found.kind, endBytes: startBytes + found.endBytes, tail: bytes.subarray(found.endBytes) };
  }
}

/** The last byte of an index that was written to its end: the server writes it in lines, each member indented. */
const WHOLE_INDEX = /(^|\n)\}\s*$/;
const INDEX_END_BYTES = 64;

/**
 * Moves a torn list of snapshots aside, on which no server starts; without it one does. Returns where to. The server
 * rewrites it for each snapshot, and may be killed meanwhile. Twice: undefined, as for one that is whole or absent.
 */
export async function putTornIndexAside(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, 'snapshots', 'index.json');
  const entry = await unlessAbsent(stat(path));
  if (entry === undefined || !entry.isFile()) return undefined;
  if (WHOLE_INDEX.test(await endOf(path, entry.size)) || (await isJson(path))) return undefined;
  const folder = await tornFolder(dataDir);
  const aside = join(folder, `index-${Date.now()}.json`);
  await rename(path, aside);
  await syncFolder(folder);
  await syncFolder(join(dataDir, 'snapshots'));
  return aside;
}

async function keep(dataDir: string, name: string, bytes: Uint8Array): Promise<string> {
  const folder = await tornFolder(dataDir);
  const path = join(folder, name);
  const handle = await open(path, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncFolder(folder);
  return path;
}

async function tornFolder(dataDir: string): Promise<string> {
  const folder = join(rstowFolder(dataDir), 'torn');
  await makeFolder(folder);
  return folder;
}

async function endOf(path: string, sizeBytes: number): Promise<string> {
  const handle = await open(path, 'r');
  try {
    const startBytes = Math.max(0, sizeBytes - INDEX_END_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(INDEX_END_BYTES), 0, INDEX_END_BYTES, startBytes);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** One that another version writes in another form. */
async function isJson(path: string): Promise<boolean> {
  try {
    JSON.parse(await readFile(path, 'utf8'));
    return true;
  } catch {
    return false;
  }
}
