import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ErrorCode } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type ByteRange, findWholeRecords } from '../core/wal/record-scanner.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { giveTo } from '../io/files/ownership.ts';
import { syncFolder } from '../io/files/durable.ts';
import { errnoOf, isUnreadable, systemMessage } from '../io/files/errno.ts';

export type SegmentRepair = { to: string; records: number; keptBytes: number; leftOut: ByteRange[] };

/**
 * Writes a clean copy of a damaged segment beside it: every whole record, also those behind damage, and nothing else.
 * The segment itself is only read. Fails: invalid-input (a file or folder that can't be used), source-damaged (the disk
 * can't read it), not-enough-space, target-not-empty. Twice: target-not-empty.
 */
export async function repairSegment(file: string, to = `${file}.repaired`): Promise<SegmentRepair> {
  try {
    const bytes = await readFile(file);
    const { kept, leftOut, records } = findWholeRecords(bytes, crc32c);
    const parts = kept.map(({ startBytes, endBytes }) => bytes.subarray(startBytes, endBytes));
    await writeBeside(file, to, parts);
    return { to, records, keptBytes: parts.reduce((sum, part) => sum + part.length, 0), leftOut };
  } catch (error) {
    throw repairFailure(error, file, to);
  }
}

/** The copy's name appears when every byte of it is durable; it belongs to whom the segment belongs. */
async function writeBeside(file: string, to: string, parts: readonly Uint8Array[]): Promise<void> {
  const partial = `${to}.${randomUUID()}.partial`;
  const handle = await open(partial, 'wx', 0o600);
  try {
    for (const part of parts) await handle.writeFile(part);
    const { mode, uid, gid } = await stat(file);
    await giveTo(partial, { uid, gid });
    await handle.chmod(mode & 0o7777);
    await handle.sync();
    await link(partial, to);
  } finally {
    await handle.close();
    await rm(partial, { force: true });
  }
  await syncFolder(dirname(to));
}

function repairFailure(error: unknown, file: string, to: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  if (isUnreadable(error)) {
    const sentence = `the disk can't read ${file}; copy what it still gives with ddrescue, and repair the copy`;
    return new RstowError('source-damaged', sentence, { details: { file, to, errno }, cause: error });
  }
  const [code, sentence] = codeAndSentence(errno, { file, to, message: systemMessage(error as Error) });
  return new RstowError(code, sentence, { details: { file, to, errno }, cause: error });
}

function codeAndSentence(errno: string, of: { file: string; to: string; message: string }): [ErrorCode, string] {
  switch (errno) {
    case 'EEXIST':
      return ['target-not-empty', `${of.to} exists already and is not overwritten`];
    case 'ENOSPC':
    case 'EDQUOT':
      return ['not-enough-space', `there is no space for ${of.to}`];
    default:
      return ['invalid-input', `${of.file} can't be repaired into ${of.to}: ${of.message}`];
  }
}
