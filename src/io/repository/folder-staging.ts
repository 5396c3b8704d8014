import { randomUUID } from 'node:crypto';
import { link, lstat, mkdir, open, readdir, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf } from '../files/errno.ts';
import { notOrdinary } from './folder-error.ts';
import { stagingFolderName } from './object-key.ts';

/** Longer than a put can pause and still be alive: its file changes while it is written. */
const leftoverAgeMs = 24 * 60 * 60 * 1000;

const linksMissing = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK']);

/**
 * Makes `<root>/.tmp`, proves that hard links work there and clears what dead processes left.
 * Fails: repository-unsupported. Twice: no-op.
 */
export async function prepareStaging(root: string): Promise<void> {
  const staging = join(root, stagingFolderName);
  await makeStagingFolder(staging);
  await probeLinks(staging);
  await sweepLeftovers(staging);
}

/** An empty file of its own. The folder may be missing: the disk could not be written when it was opened. */
export async function openStagingFile(root: string): Promise<{ path: string; handle: FileHandle }> {
  const path = join(root, stagingFolderName, randomUUID());
  try {
    return { path, handle: await open(path, 'wx', 0o640) };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await prepareStaging(root);
    return { path, handle: await open(path, 'wx', 0o640) };
  }
}

async function makeStagingFolder(staging: string): Promise<void> {
  try {
    await mkdir(staging, { mode: 0o750 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if (!(await lstat(staging)).isDirectory()) throw notOrdinary(staging);
  }
}

async function probeLinks(staging: string): Promise<void> {
  const file = join(staging, randomUUID());
  const second = `${file}-link`;
  try {
    await (await open(file, 'wx', 0o640)).close();
    await linkOrRefuse(file, second);
  } finally {
    await rm(second, { force: true });
    await rm(file, { force: true });
  }
}

async function linkOrRefuse(file: string, second: string): Promise<void> {
  try {
    await link(file, second);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (!linksMissing.has(errno)) throw error;
    const sentence = `the file system of ${file} has no hard links (${errno}), without which a put could overwrite another’s object`;
    throw new RstowError('repository-unsupported', sentence, { details: { errno }, cause: error });
  }
}

async function sweepLeftovers(staging: string): Promise<void> {
  const oldestMs = Date.now() - leftoverAgeMs;
  for (const entry of await readdir(staging, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(staging, entry.name);
    if ((await modifiedAtMs(path)) < oldestMs) await rm(path, { force: true });
  }
}

/** A file that its owner removed meanwhile is no leftover. */
async function modifiedAtMs(path: string): Promise<number> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Infinity;
    throw error;
  }
}
