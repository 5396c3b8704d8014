import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { cachedFolder, lackForHosts, rootFileSystem } from '../support/root-file-system.ts';
import { SYSTEMD_HOST_PACKAGES } from '../support/systemd-host.ts';

const NAME = `test-${process.pid}`;
const made: string[] = [];

afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true });
});

async function makeIn(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'whole'), '');
}

describe('a cached folder', () => {
  test('is made once, though two want it at the same time, and anew for other parts', async () => {
    let makings = 0;
    const get = (part: string) =>
      cachedFolder(NAME, [part], (folder) => {
        makings += 1;
        return makeIn(folder);
      });
    const [one, other] = await Promise.all([get('a'), get('a')]);
    made.push(one, await get('b'));
    expect(other).toBe(one);
    expect(await get('a')).toBe(one);
    expect(makings).toBe(2);
    expect(made[1]).not.toBe(one);
  });

  test('is not there if its making failed half-way, and is made from nothing the next time', async () => {
    const failing = cachedFolder(NAME, [], async (folder) => {
      await makeIn(folder);
      await writeFile(join(folder, 'half'), '');
      throw new Error('interrupted');
    });
    await expect(failing).rejects.toThrow('interrupted');
    const folder = await cachedFolder(NAME, [], makeIn);
    made.push(folder);
    expect(await readdir(folder)).toEqual(['whole']);
    expect((await readdir(dirname(folder))).filter((name) => name.startsWith(NAME))).toEqual([folder.split('/').at(-1)]);
  });
});

const lack = lackForHosts('mmdebstrap');

test.skipIf(lack !== undefined)(`a root file system has the packages that are asked for${lack ?? ''}`, async () => {
  const folder = await rootFileSystem({ packages: SYSTEMD_HOST_PACKAGES });
  expect(await readFile(join(folder, 'etc/os-release'), 'utf8')).toContain('ID=debian');
  expect((await stat(join(folder, 'usr/bin/systemctl'))).mode & 0o111).not.toBe(0);
});

test('what is missing for a host is named', () => {
  expect(lackForHosts('no-such-program')).toMatch(/no-such-program; scripts\/host-tools\.sh\)$/);
});
