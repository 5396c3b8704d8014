import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type PackedEntry, removeUnfinished, tarOf, writeArchive } from '../../../../src/io/tar/pack-archive.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-pack-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function* one(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from('one'));
}

const ENTRIES: PackedEntry[] = [
  { kind: 'folder', path: 'a', mode: 0o755 },
  { kind: 'file', path: 'a/b', mode: 0o640, sizeBytes: 3, content: one },
];

const write = (file: string, uid = 990): ReturnType<typeof writeArchive> =>
  writeArchive(file, () => tarOf(ENTRIES, { uid, gid: uid, mtimeMs: 1_700_000_000_000 }), {
    temporaryPath: `${file}.new`,
    signal: new AbortController().signal,
  });

// A directory service and user namespaces give ids that eight octal digits don't hold.
it.each([990, 0o7777777, 0o7777777 + 1, 1_234_567_890, 4_294_967_294])('keeps the owner %d, as tar reads it', async (uid) => {
  const file = join(folder, 'archive.tar.gz');
  await write(file, uid);
  const lines = execFileSync('tar', ['--numeric-owner', '-tvzf', file], { encoding: 'utf8' }).trim().split('\n');
  expect(lines.map((line) => line.split(/\s+/)[1])).toEqual([`${uid}/${uid}`, `${uid}/${uid}`]);
});

it('says at once that the folder is missing, or is none', async () => {
  await writeFile(join(folder, 'file'), '');
  for (const [place, why] of [
    ['missing', 'does not exist'],
    ['file', 'ENOTDIR'],
  ] as const) {
    const file = join(folder, place, 'archive.tar.gz');
    const message = expect.stringContaining(why) as string;
    await expect(write(file)).rejects.toMatchObject({ code: 'file-not-allowed', message });
    await removeUnfinished(`${file}.new`);
  }
});

it('writes over nothing, and gives its own file to a later attempt', async () => {
  const file = join(folder, 'archive.tar.gz');
  const first = await write(file);
  expect(await write(file)).toEqual(first);
  await rm(`${file}.new`);
  await expect(write(file)).rejects.toMatchObject({ code: 'file-exists' });
  await mkdir(join(folder, 'folder'));
  await expect(write(join(folder, 'folder'))).rejects.toMatchObject({ code: 'file-exists' });
  expect(await readdir(folder)).toEqual(['archive.tar.gz', 'folder']);
});
