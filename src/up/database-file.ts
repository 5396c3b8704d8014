/** The SQLite file of the embedded Temporal: its copy before an upgrade, and what is done if it is lost or damaged. */
import { copyFile, open, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** The first bytes of every SQLite database. */
const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');

/** What a server logs about a database file that it can't read. */
const DAMAGE = /malformed|not a database|disk image|corrupt|disk I\/O error|no such table|unsupported file format/i;

/** Whether the end of a server's log says that its database file is damaged. */
export function saysDamaged(logText: string): boolean {
  return DAMAGE.test(logText);
}

/** Why the file can't be what a server has written there; undefined if it may be. */
export async function databaseLoss(databaseFile: string): Promise<string | undefined> {
  try {
    const file = await open(databaseFile, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
      if (bytesRead === 0) return 'is empty';
      return buffer.equals(MAGIC) ? undefined : 'is no database';
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'is gone';
    throw error;
  }
}

/** Gives the file, and its journals, another name; nothing is deleted. Gives that name, undefined if there is no file. */
export async function putAside(databaseFile: string, stamp: string): Promise<string | undefined> {
  const folder = dirname(databaseFile);
  const name = basename(databaseFile);
  const parts = (await readdir(folder)).filter((other) => other === name || /^-(journal|wal|shm)$/.test(other.slice(name.length)));
  const asideName = `${name}.damaged-${stamp}`;
  for (const part of parts.filter((other) => other.startsWith(name))) {
    await rename(join(folder, part), join(folder, `${asideName}${part.slice(name.length)}`));
  }
  return parts.includes(name) ? join(folder, asideName) : undefined;
}

/**
 * Copies a database file that nobody has open to `<name>.<version>.bak`, and with it the journal that a killed server
 * left beside it; SQLite finds that by its name. The database itself comes last: if it is there, the copy is whole.
 * Twice: a copy that is there stays.
 */
export async function copyDatabase(databaseFile: string, version: string): Promise<void> {
  const folder = dirname(databaseFile);
  const name = basename(databaseFile);
  const names = await readdir(folder);
  const copyName = `${name}.${version}.bak`;
  if (!names.includes(name) || names.includes(copyName)) return;
  const journals = names.filter((other) => other.startsWith(`${name}-`));
  for (const part of [...journals, name]) {
    await copyDurably(join(folder, part), join(folder, `${copyName}${part.slice(name.length)}`));
  }
  await syncPath(folder);
}

async function copyDurably(from: string, to: string): Promise<void> {
  const partial = `${to}.tmp`;
  await copyFile(from, partial);
  await syncPath(partial);
  await rename(partial, to);
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
