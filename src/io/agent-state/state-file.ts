import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { syncFolder } from '../files/durable.ts';

const NOT_PERMITTED = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'];
const TEMPORARY = /^\.[0-9a-f-]{36}\.tmp$/;
type Blocks = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** Longer than any write goes on without touching its file. */
const LEFT_AFTER_MS = 3_600_000;

/**
 * Replaces a file of the agent's own state: whoever reads sees the old text or the new one, also after a crash. A long
 * text may come in blocks. Where it fails it leaves nothing behind.
 * Fails: agent-state-unsupported, as all here, if this user may not write or read there.
 */
export async function replaceStateFile(path: string, text: string | Blocks): Promise<void> {
  await permitted(path, async () => {
    await rename(await writeTemporary(path, typeof text === 'string' ? [text] : text), path);
    await removeTemporaries(path);
    await syncFolder(dirname(path));
  });
}

/** Makes a file that nobody has made yet; false where somebody has. */
export async function createStateFile(path: string, text: string): Promise<boolean> {
  return permitted(path, () => linkNew(path, text));
}

async function linkNew(path: string, text: string): Promise<boolean> {
  const temporaryPath = await writeTemporary(path, [text]);
  try {
    await link(temporaryPath, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporaryPath);
    await syncFolder(dirname(path));
  }
}

async function writeTemporary(path: string, blocks: Blocks): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporaryPath = `${path}.${randomUUID()}.tmp`;
  const handle = await open(temporaryPath, 'wx', 0o600);
  try {
    for await (const block of blocks) await handle.writeFile(block);
    await handle.sync();
  } catch (error) {
    await rm(temporaryPath, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return temporaryPath;
}

/** What processes left that were killed while they wrote. */
async function removeTemporaries(path: string): Promise<void> {
  const name = basename(path);
  for (const other of await readdir(dirname(path))) {
    if (!other.startsWith(name) || !TEMPORARY.test(other.slice(name.length))) continue;
    const temporaryPath = join(dirname(path), other);
    const { mtimeMs } = await stat(temporaryPath).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > LEFT_AFTER_MS) await rm(temporaryPath, { force: true });
  }
}

/** Undefined where it isn't there. */
export async function readStateFile(path: string): Promise<string | undefined> {
  return permitted(path, async () => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  });
}

async function permitted<T>(path: string, access: () => Promise<T>): Promise<T> {
  try {
    return await access();
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? '';
    if (!NOT_PERMITTED.includes(errno)) throw cause;
    throw new RstowError('agent-state-unsupported', `this user can't read or write ${path}: ${errno}`, { details: { path, errno }, cause });
  }
}
