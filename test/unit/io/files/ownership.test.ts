import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { applyOwnership, readOwnership } from '../../../../src/io/files/ownership.ts';
import { scratchFolder } from '../data-directory/scratch-folder.ts';

async function wal(name: string): Promise<string> {
  const walDir = join(await scratchFolder(), name);
  await mkdir(walDir, { mode: 0o700 });
  await writeFile(join(walDir, '0000000000000001.wal'), 'bytes', { mode: 0o600 });
  return walDir;
}

it.runIf(process.getuid?.() === 0)('gives a staged wal/ the owner and the modes of another one', async () => {
  const [reference, staged] = [await wal('old'), await wal('new')];
  for (const path of [reference, join(reference, '0000000000000001.wal')]) await chown(path, 1234, 2345);
  await chmod(reference, 0o750);
  await chmod(join(reference, '0000000000000001.wal'), 0o640);
  const ownership = await readOwnership(reference);
  expect(ownership).toEqual({ uid: 1234, gid: 2345, folderMode: 0o750, fileMode: 0o640 });
  if (ownership !== undefined) expect(await applyOwnership(staged, ownership)).toBe(true);
  expect(await readOwnership(staged)).toEqual(ownership);
  expect(await stat(join(staged, '0000000000000001.wal'))).toMatchObject({ uid: 1234, gid: 2345, mode: 0o100640 });
});

/** There, as in a rootless container, no user but root exists. */
const APPLY = `
  import { applyOwnership } from '${new URL('../../../../src/io/files/ownership.ts', import.meta.url).pathname}';
  const isKept = await applyOwnership(process.argv[1], { uid: 1234, gid: 2345, folderMode: 0o750, fileMode: 0o640 });
  process.stdout.write(String(isKept));`;

it.runIf(process.getuid?.() === 0)('gives the modes alone, and says so, where the owner doesn’t exist', async () => {
  const staged = await wal('staged');
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', APPLY, staged];
  const { stdout } = await promisify(execFile)('unshare', ['--user', '--map-root-user', ...node]);
  expect(stdout).toBe('false');
  expect(await readOwnership(staged)).toEqual({ uid: 0, gid: 0, folderMode: 0o750, fileMode: 0o640 });
});

it('knows no owner of a wal/ that is missing', async () => {
  expect(await readOwnership(join(await scratchFolder(), 'wal'))).toBeUndefined();
});
