import { type FileHandle, link, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type ByteRange, findWholeRecords } from '../core/wal/whole-records.ts';
import { crc32c } from '../io/checksum/crc32c.ts';
import { fsyncFolder } from '../io/data-directory/durable.ts';
import { errnoOf } from '../io/data-directory/system-error.ts';

export type SegmentRepair = { to: string; records: number; keptBytes: number; leftOut: ByteRange[] };

/**
 * Writes a clean copy of a damaged segment beside it: every whole record, also those behind damage, and nothing else.
 * The segment itself is only read. Fails: invalid-input (there is no such file), target-not-empty.
 * Twice: target-not-empty.
 */
export async function repairSegment(file: string, to = `${file}.repaired`): Promise<SegmentRepair> {
  const bytes = await readSegment(file);
  const { kept, leftOut, records } = findWholeRecords(bytes, crc32c);
  const parts = kept.map(({ startBytes, endBytes }) => bytes.subarray(startBytes, endBytes));
  await writeBeside(file, to, parts);
  return { to, records, keptBytes: parts.reduce((sum, part) => sum + part.length, 0), leftOut };
}

async function readSegment(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    if (!['ENOENT', 'EISDIR', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
    throw new RstowError('invalid-input', `${file} is no file`, { details: { file }, cause: error });
  }
}

/** The copy's name appears when every byte of it is durable; it belongs to whom the segment belongs. */
async function writeBeside(file: string, to: string, parts: readonly Uint8Array[]): Promise<void> {
  const partial = `${to}.partial`;
  const handle = await openPartial(partial);
  try {
    for (const part of parts) await handle.writeFile(part);
    const { mode, uid, gid } = await stat(file);
    if (process.getuid?.() === 0) await handle.chown(uid, gid);
    await handle.chmod(mode & 0o7777);
    await handle.sync();
    await linkNew(partial, to);
  } finally {
    await handle.close();
    await rm(partial, { force: true });
  }
  await fsyncFolder(dirname(to));
}

async function openPartial(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'w', 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new RstowError('invalid-input', `there is no folder ${dirname(path)}`, { details: { path }, cause: error });
  }
}

async function linkNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    throw new RstowError('target-not-empty', `${to} exists, and is not overwritten`, { details: { to }, cause: error });
  }
}
