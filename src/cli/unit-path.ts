import { access, constants } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';

const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * The PATH of a unit: the system's folders, and before them those in which whoever prints it has one of these programs. The rest
 * of a person's PATH, such as folders of a home, is nothing that a service should start programs from.
 */
export async function unitPath(searchPath: string, programs: readonly string[]): Promise<string> {
  const folders = searchPath.split(':').filter((folder) => isAbsolute(folder));
  const found = new Set(await Promise.all(programs.map((program) => folderOf(program, folders))));
  const added = [...new Set(folders)].filter((folder) => found.has(folder) && !SYSTEM_FOLDERS.includes(folder));
  return [...added, ...SYSTEM_FOLDERS].join(':');
}

async function folderOf(program: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const isThere = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return folder;
  }
  return undefined;
}
