import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Names, sizes and modification times of a folder's files: equal stamps mean that nobody wrote in between. */
export async function treeStamp(folder: string): Promise<string> {
  const lines: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const { size, mtimeNs } = await stat(join(folder, name), { bigint: true });
    lines.push(`${name} ${size} ${mtimeNs}`);
  }
  return lines.join('\n');
}
