import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Binding } from '../../../../src/formats/agent-state.ts';
import {
  installationId,
  renewInstallation,
  requireInstallation,
  whatDiffers,
  whyCloned,
} from '../../../../src/io/agent-state/installation.ts';
import { renewHost } from '../../../../src/local/adopt-database.ts';

const HERE: Binding = { format: 1, machineId: 'a', productId: 'p', bootId: 'b', device: '1', inode: '2' };
const EMPTY_CONFIG = { repositories: { local: { kind: 'folder', path: '/backup' } }, databases: {} };
const { machineId: _none, productId: _unread, ...CONTAINER } = HERE;

async function twoFolders(): Promise<{ original: string; copy: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-installation-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return { original: join(folder, 'original'), copy: join(folder, 'copy') };
}

it('refuses a copied state directory, and the original goes on', async () => {
  const { original, copy } = await twoFolders();
  const id = await installationId(original);
  await cp(original, copy, { recursive: true });
  await expect(installationId(copy)).rejects.toMatchObject({ code: 'installation-cloned' });
  await expect(requireInstallation(copy, id)).rejects.toMatchObject({ code: 'installation-cloned' });
  await requireInstallation(original, id);
  expect(await installationId(original)).toBe(id);
});

it('renews a copy at a word, but an original only by force', async () => {
  const { original, copy } = await twoFolders();
  const id = await installationId(original);
  await cp(original, copy, { recursive: true });
  expect(await whyCloned(copy)).toBe('it is a copy of another state directory');
  const config = async (stateDir: string): Promise<string> => {
    const file = join(dirname(original), 'rstow.yaml');
    await writeFile(file, JSON.stringify({ ...EMPTY_CONFIG, agent: { stateDir } }));
    return file;
  };
  expect(await renewHost(await config(copy))).toMatchObject({ previous: id });
  await expect(renewHost(await config(original))).rejects.toMatchObject({ code: 'invalid-input' });
  expect(await installationId(original)).toBe(id);
  expect(await renewHost(await config(original), true)).toMatchObject({ previous: id });
  expect(await installationId(original)).not.toBe(id);
});

it('stays the same installation where its directory is moved', async () => {
  const { original, copy: moved } = await twoFolders();
  const id = await installationId(original);
  await rename(original, moved);
  expect(await installationId(moved)).toBe(id);
});

it('makes a copy an installation of its own, once it is told to; who worked on it as the old one is refused', async () => {
  const { original, copy } = await twoFolders();
  const id = await installationId(original);
  await cp(original, copy, { recursive: true });
  const renewed = await renewInstallation(copy);
  expect(renewed.previous).toBe(id);
  expect(await installationId(copy)).toBe(renewed.installationId);
  expect(renewed.installationId).not.toBe(id);
  await expect(requireInstallation(copy, id)).rejects.toMatchObject({ code: 'installation-cloned' });
  expect(await installationId(original)).toBe(id);
});

it.each([
  ['another machine', { machineId: 'other' }],
  ['another virtual machine with the same disk', { productId: 'other' }],
  ['another folder', { inode: '3' }],
  ['another file system, in one boot', { device: '9' }],
])('tells %s', (_what, other) => {
  expect(whatDiffers(HERE, { ...HERE, ...other })).toBeDefined();
});

it.each([
  ['after a reboot, though the disk got another number', HERE, { ...HERE, bootId: 'c', device: '9' }],
  ['for a user who may not read the product id', HERE, { ...HERE, productId: undefined }],
  ['in a container without a machine id', CONTAINER, CONTAINER],
  ['on a file system that numbers its files anew', { ...HERE, inode: undefined }, HERE],
])('takes a machine for the same %s', (_when, bound, now) => {
  expect(whatDiffers(bound, now)).toBeUndefined();
});
