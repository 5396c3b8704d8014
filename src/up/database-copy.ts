import { copyFile, open, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Copies a database file that nobody has open to `<name>.<version>.bak`, and with it the journal that a killed server
 * left beside it; SQLite finds that by its name. The database itself comes last, so that it stands for the whole copy.
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
