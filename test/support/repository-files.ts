/** The files of a folder repository, to damage them as disks and people do, and to bring them back. */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

type Content = Record<string, unknown>;

export type RepositoryFiles = {
  flipBit: (key: string, where?: 'begin' | 'middle' | 'end') => Promise<void>;
  truncate: (key: string, share: number) => Promise<void>;
  append: (key: string, text: string) => Promise<void>;
  replace: (key: string, bytes: string | Uint8Array) => Promise<void>;
  copy: (fromKey: string, toKey: string) => Promise<void>;
  swap: (oneKey: string, otherKey: string) => Promise<void>;
  remove: (key: string) => Promise<void>;
  /** Changes a sealed object and seals it anew: what a faulty or newer writer would leave. */
  reseal: (key: string, change: (content: Content) => Content) => Promise<void>;
  /** Brings every file back to what it was, and removes those that weren't there, the records of runs aside. */
  heal: () => Promise<void>;
};

/** What runs add while they look: it is no damage. */
const RECORDS = /^databases\/[^/]+\/(plans|facts)\//;

/** Keeps a copy of the repository as it is now in `keepDir`. */
export async function keepRepositoryFiles(root: string, keepDir: string): Promise<RepositoryFiles> {
  await cp(root, keepDir, { recursive: true });
  const pathOf = (key: string): string => join(root, key);
  const read = (key: string): Promise<Buffer> => readFile(pathOf(key));
  const replace = async (key: string, bytes: string | Uint8Array): Promise<void> => {
    // Never in place: a reader sees the old file or the new one.
    const temporaryPath = join(root, '.tmp', 'damage');
    await mkdir(dirname(pathOf(key)), { recursive: true });
    await writeFile(temporaryPath, bytes);
    await rename(temporaryPath, pathOf(key));
  };
  return {
    replace,
    flipBit: async (key, where = 'middle') => replace(key, flipped(await read(key), where)),
    truncate: async (key, share) => {
      const bytes = await read(key);
      await replace(key, bytes.subarray(0, Math.floor(bytes.length * share)));
    },
    append: async (key, text) => replace(key, Buffer.concat([await read(key), Buffer.from(text)])),
    copy: async (fromKey, toKey) => replace(toKey, await read(fromKey)),
    swap: async (oneKey, otherKey) => {
      const [one, other] = [await read(oneKey), await read(otherKey)];
      await replace(oneKey, other);
      await replace(otherKey, one);
    },
    remove: (key) => rm(pathOf(key)),
    reseal: async (key, change) => {
      const { content } = JSON.parse((await read(key)).toString('utf8')) as { content: Content };
      const changed = change(content);
      const sha256 = createHash('sha256').update(JSON.stringify(changed)).digest('hex');
      await replace(key, JSON.stringify({ sha256, content: changed }));
    },
    heal: async () => {
      const kept = await keysIn(keepDir);
      for (const key of await keysIn(root)) if (!kept.includes(key) && !RECORDS.test(key)) await rm(pathOf(key));
      for (const key of kept) {
        const bytes = await readFile(join(keepDir, key));
        const now = await read(key).catch(() => undefined);
        if (now?.equals(bytes) !== true) await replace(key, bytes);
      }
    },
  };
}

function flipped(bytes: Buffer, where: 'begin' | 'middle' | 'end'): Buffer {
  const index = { begin: 0, middle: Math.floor(bytes.length / 2), end: bytes.length - 1 }[where];
  bytes.writeUInt8(bytes.readUInt8(index) ^ 1, index);
  return bytes;
}

async function keysIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.map((path) => path.slice(folder.length + 1)).filter((key) => !key.startsWith('.tmp/'));
}
