import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { giveTo } from '../files/ownership.ts';
import { syncFolder } from '../files/durable.ts';

export type ConfigFile = {
  path: string;
  /** The server's group, which may read it; used if we are root and it exists. */
  gid: number;
  content: () => Promise<Uint8Array>;
};

/** Gives a server its lost config file back, durably; one that is there stays as it is. Gives whether it was placed. Twice: no-op. */
export async function placeConfigFile({ path, gid, content }: ConfigFile): Promise<boolean> {
  if (await exists(path)) return false;
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  await removeHalves(path);
  const temporaryPath = `${path}.${randomUUID()}.tmp`;
  const handle = await open(temporaryPath, 'wx', 0o640);
  try {
    await handle.writeFile(await content());
    await giveTo(temporaryPath, { uid: 0, gid });
    await handle.sync();
    await link(temporaryPath, path);
  } finally {
    await handle.close();
    await rm(temporaryPath, { force: true });
  }
  await syncFolder(folder);
  return true;
}

/** What an attempt left that died meanwhile. */
async function removeHalves(path: string): Promise<void> {
  const prefix = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    if (name.startsWith(prefix) && /^[0-9a-f-]{36}\.tmp$/.test(name.slice(prefix.length)))
      await rm(join(dirname(path), name), { force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
