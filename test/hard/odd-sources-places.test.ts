import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { planRestore } from '../../src/activities/restore/plan-restore.ts';
import { backUp, type BackUpOptions, directDeps, directRun, restoreInPlace } from '../support/direct-backup.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUpAndRestore, expectSound, oddSource, sourceDigest, writeOrders } from '../support/odd-source.ts';
import { rstow } from '../support/rstow-command.ts';

const NO_LINKS = fileURLToPath(new URL('../fixtures/disk-error/no-links.c', import.meta.url));

const isRoot = process.getuid?.() === 0;

type Place = {
  what: string;
  /** Makes the place out of a stopped source's data directory. */
  lay: (stack: DatabaseStack) => Promise<void>;
};

/** Gone before the stack's own folder is removed. */
function mount(path: string, ...args: string[]): void {
  execFileSync('mount', [...args, path]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', path]));
}

async function sourceIn({ lay }: Place): Promise<DatabaseStack> {
  const stack = await oddSource();
  await stack.service.stop();
  await lay(stack);
  await stack.startServer();
  await writeOrders(stack.address, 6);
  return stack;
}

async function expectBackedUp(stack: DatabaseStack, pin: 'links' | 'descriptors'): Promise<void> {
  const { manifest, dataDir } = await backUpAndRestore(stack);
  expect(manifest).toMatchObject({ pin, warnings: [], restorable: 'from-log', stateDigest: await sourceDigest(stack) });
  expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
}

/** Restores what was just backed up over newer data, and sees the newer data gone. */
async function expectRestoredInPlace(stack: DatabaseStack): Promise<void> {
  const backedUp = await sourceDigest(stack);
  await writeOrders(stack.address, 2, 'newer');
  await restoreInPlace(stack, 'latest');
  expect(await sourceDigest(stack)).toBe(backedUp);
}

async function tmpfsAt({ dataDir }: DatabaseStack): Promise<void> {
  mount(dataDir, '-t', 'tmpfs', 'tmpfs');
  return Promise.resolve();
}

describe('a data directory', () => {
  it('that is a symbolic link is backed up, and restored in place', async () => {
    const lay = async ({ dataDir }: DatabaseStack): Promise<void> => {
      await rename(dataDir, `${dataDir}-real`);
      await symlink(`${dataDir}-real`, dataDir);
    };
    const stack = await sourceIn({ what: 'symlink', lay });
    await expectBackedUp(stack, 'links');
    await expectRestoredInPlace(stack);
  });

  it('with blanks and letters outside ASCII in its path is backed up, and restored in place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rstow daten für töchter 東京 %20 '));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    vi.stubEnv('TMPDIR', folder);
    onTestFinished(() => void vi.unstubAllEnvs());
    const stack = await oddSource();
    await writeOrders(stack.address, 6);
    expect(stack.dataDir).toContain('töchter 東京 %20 ');
    await expectBackedUp(stack, 'links');
    await expectRestoredInPlace(stack);
  });

  it.runIf(isRoot)('that is a mount point is backed up, and restored in place (needs root)', async () => {
    const stack = await sourceIn({ what: 'tmpfs', lay: tmpfsAt });
    await expectBackedUp(stack, 'links');
    await expectRestoredInPlace(stack);
  });
});

const unsupported: (Place & { pin: 'links' | 'descriptors' })[] = [
  {
    what: 'a mount point',
    pin: 'descriptors',
    lay: async ({ walDir }) => {
      await rm(walDir, { recursive: true });
      await mkdir(walDir);
      mount(walDir, '-t', 'tmpfs', 'tmpfs');
    },
  },
  {
    what: 'a bind mount',
    pin: 'descriptors',
    lay: async ({ walDir, folder }) => {
      const elsewhere = join(folder, 'elsewhere');
      await rename(walDir, elsewhere);
      await mkdir(walDir);
      mount(walDir, '--bind', elsewhere);
    },
  },
  {
    what: 'a symbolic link',
    pin: 'links',
    lay: async ({ walDir, folder }) => {
      const elsewhere = join(folder, 'elsewhere');
      await rename(walDir, elsewhere);
      await symlink(elsewhere, walDir);
    },
  },
];

describe.runIf(isRoot)('a wal/ that no rename can replace (needs root)', () => {
  it.each(unsupported)('is backed up and restored elsewhere, but not in place: $what', async (place) => {
    const stack = await sourceIn(place);
    await expectBackedUp(stack, place.pin);
    const inPlace = directRun(directDeps(stack))(planRestore, { database: DATABASE, backup: 'latest' });
    await expect(inPlace).rejects.toMatchObject({ code: 'data-directory-unsupported', details: { path: await realpathOf(stack) } });
  });
});

async function realpathOf({ dataDir }: DatabaseStack): Promise<string> {
  return join(await realpath(dataDir), 'wal');
}

describe.runIf(isRoot)('where links are not permitted (needs root)', () => {
  const lays: Place[] = [
    {
      what: '.rstow on another disk',
      lay: async ({ dataDir }) => {
        await mkdir(join(dataDir, '.rstow'));
        mount(join(dataDir, '.rstow'), '-t', 'tmpfs', 'tmpfs');
      },
    },
    {
      what: '.rstow on a read-only disk',
      lay: async ({ dataDir }) => {
        await mkdir(join(dataDir, '.rstow'));
        mount(join(dataDir, '.rstow'), '-t', 'tmpfs', '-o', 'ro', 'tmpfs');
      },
    },
  ];

  it.each(lays)('open descriptors pin the segments: $what', async (place) => {
    await expectBackedUp(await sourceIn(place), 'descriptors');
  });

  it('a segment that compaction deletes stays readable, but not for an agent that has lost its descriptors', async () => {
    const lay = async ({ dataDir }: DatabaseStack): Promise<void> => {
      await mkdir(join(dataDir, '.rstow'));
      mount(join(dataDir, '.rstow'), '-t', 'tmpfs', 'tmpfs');
    };
    const stack = await sourceIn({ what: 'descriptors', lay });
    await backUp(stack);
    await writeOrders(stack.address, 2, 'newer');
    const deleted = join(stack.walDir, '0000000000000001.wal');
    const kept = await backUp(stack, { afterPin: () => rename(deleted, `${deleted}.away`) });
    expect(kept).toMatchObject({ pin: 'descriptors', instances: 8 });
    await rename(`${deleted}.away`, deleted);
    await writeOrders(stack.address, 2, 'newest');
    const loseDescriptors: BackUpOptions['afterPin'] = async (unpin) => {
      await unpin();
      await rename(deleted, `${deleted}.away`);
    };
    await expect(backUp(stack, { afterPin: loseDescriptors })).rejects.toMatchObject({ code: 'wal-gap' });
    await rename(`${deleted}.away`, deleted);
  });
});

it('a disk that permits no links is restored to, and the rehearsal there boots on copies', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 6);
  const { stateDigest } = await backUp(stack);
  const [library, target] = ['no-links.so', 'target'].map((name) => join(stack.folder, name)) as [string, string];
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, NO_LINKS]);
  const command = ['restore', DATABASE, '--without-temporal', '--config', stack.configFile, '--to-dir', target];
  const { exitCode, stderr } = await rstow(command, { LD_PRELOAD: library, RSTOW_TEST_NO_LINKS: target });
  expect(exitCode, stderr).toBe(0);
  expect(await expectSound(stack, target)).toBe(stateDigest);
});

it('a repository that is emptied in mid-backup is unavailable, and gets no manifest', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 6);
  const { repositoryDir } = stack;
  const afterPin = async (): Promise<void> => {
    for (const name of await readdir(repositoryDir)) await rm(join(repositoryDir, name), { recursive: true });
  };
  await expect(backUp(stack, { afterPin })).rejects.toMatchObject({ code: 'repository-unavailable' });
  expect(await readdir(repositoryDir)).toEqual([]);
});

it.runIf(isRoot)('a full disk of the state directory keeps no backup from being made, and leaves nothing on it (needs root)', async () => {
  const stack = await oddSource();
  const { stateDir } = stack.config.agent;
  await mkdir(stateDir, { recursive: true });
  mount(stateDir, '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs');
  await writeOrders(stack.address, 6);
  await backUp(stack);
  await expect(writeFile(join(stateDir, 'fills-it'), Buffer.alloc(1024 * 1024))).rejects.toMatchObject({ code: 'ENOSPC' });
  const before = await readdir(stateDir, { recursive: true });
  await writeOrders(stack.address, 6, 'newer');
  const { warnings, instances } = await backUp(stack);
  expect({ warnings: warnings.map(({ code }) => code), instances }).toEqual({ warnings: ['checkpoint-not-kept'], instances: 12 });
  expect(await readdir(stateDir, { recursive: true })).toEqual(before);
});
