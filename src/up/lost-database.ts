import { open, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** The first bytes of every SQLite database. */
const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');

/** What a server says of a database file that it can't read. */
const DAMAGE = /malformed|not a database|disk image|corrupt|disk I\/O error|no such table|unsupported file format/i;

/** Whether a server's last words say that its database file is damaged. */
export function saysDamaged(lastWords: string): boolean {
  return DAMAGE.test(lastWords);
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

/** Gives the file, and its journals, another name; nothing is deleted. Gives that name, undefined where there is no file. */
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
