import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../files/errno.ts';
import { notOrdinary } from './folder-error.ts';
import { hasParents } from './folder-tree.ts';
import { isObjectKey } from './object-key.ts';
import type { ListedObject } from './port.ts';

/** Sizes asked for at once: hides the latency of network file systems, floods none. */
const statsAtOnce = 32;

/** Reads one folder at a time, so that its memory is that of the widest folder. */
export async function* listFolder(root: string, prefix: string): AsyncGenerator<ListedObject> {
  const base = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (await hasParents(root, `${base}x`)) yield* walk(root, base, prefix);
}

/** `folder` is empty or ends with `/`. */
async function* walk(root: string, folder: string, prefix: string): AsyncGenerator<ListedObject> {
  const entries = await entriesOf(root, folder, prefix);
  for (let first = 0; first < entries.length; first += statsAtOnce) {
    const some = entries.slice(first, first + statsAtOnce);
    const sizes = await Promise.all(
      some.map((entry) => (entry.isFile() ? sizeOf(join(root, folder, entry.name)) : Promise.resolve(undefined))),
    );
    for (const [index, entry] of some.entries()) {
      const key = folder + entry.name;
      const sizeBytes = sizes[index];
      if (entry.isDirectory()) yield* walk(root, `${key}/`, prefix);
      else if (sizeBytes !== undefined) yield { key, sizeBytes };
    }
  }
}

/** Names that cannot be keys (`lost+found`, the staging folder) are no objects. A link is refused, not skipped: skipping would hide objects. */
async function entriesOf(root: string, folder: string, prefix: string): Promise<Dirent[]> {
  const all = await readdir(join(root, folder), { withFileTypes: true });
  const named = all.filter(({ name }) => isObjectKey(folder + name) && (folder + name).startsWith(prefix));
  const odd = named.find((entry) => !entry.isFile() && !entry.isDirectory());
  if (odd !== undefined) throw notOrdinary(join(root, folder, odd.name));
  return named.sort((one, other) => (sortName(one) < sortName(other) ? -1 : 1));
}

/** A folder sorts as its keys do: `a.json` before `a/b`, though `a` is before `a.json`. */
function sortName(entry: Dirent): string {
  return entry.isDirectory() ? `${entry.name}/` : entry.name;
}

/** Undefined when it was deleted meanwhile. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
