import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Gives a server its lost config file back, durably; one that is there stays as it is. Gives whether it was placed. Twice: no-op. */
export async function placeConfigFile(path: string, content: () => AsyncIterable<Uint8Array>): Promise<boolean> {
  if (await exists(path)) return false;
  await mkdir(dirname(path), { recursive: true });
  const temporaryPath = `${path}.${randomUUID()}.tmp`;
  const handle = await open(temporaryPath, 'wx', 0o640);
  try {
    for await (const chunk of content()) await handle.writeFile(chunk);
    await handle.sync();
    await link(temporaryPath, path);
  } finally {
    await handle.close();
    await rm(temporaryPath, { force: true });
  }
  return true;
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
