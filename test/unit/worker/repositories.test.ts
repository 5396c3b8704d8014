import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { claimOwnership, currentOwner } from '../../../src/store/ownership.ts';
import { createTimeline, readTimelines } from '../../../src/store/timelines.ts';
import { manifest } from '../config/a-manifest.ts';
import { storeIn } from '../../support/store-in.ts';
import { createRepositoryOpener } from '../../../src/worker/repositories.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-repositories-'));
  await mkdir(join(folder, 'disk'));
});

afterEach(() => rm(folder, { recursive: true }));

/** As an agent that has just started has it. */
function opener(notice?: Parameters<typeof createRepositoryOpener>[1]): ReturnType<typeof createRepositoryOpener> {
  const config = {
    agent: { stateDir: join(folder, 'state') },
    repositories: { local: { kind: 'folder', path: join(folder, 'disk') } },
    databases: {},
  };
  return createRepositoryOpener(agentConfigSchema.parse(config), notice);
}

const LABEL = '20261129T1015';

async function fillRepository(repository: Repository): Promise<void> {
  const parent = { parent: null, why: 'first' as const, runId: 'claim', createdAtMs: 1 };
  const { timeline } = await createTimeline(repository, 'orders', { generation: 1, ...parent });
  const owner = { agent: 'one', installationId: 'i', temporal: { clusterId: 'c', namespace: 'n' }, timeline, claimedAtMs: 1 };
  await claimOwnership(repository, 'orders', { format: 1, generation: 1, ...owner });
  const { backups, facts, marks } = await storeIn(repository);
  await backups.put({ ...manifest, label: LABEL });
  await backups.claimLabel({ label: `${LABEL}-2`, runId: 'run-2' });
  const fact = { runId: 'run-1', label: LABEL, atMs: 1 };
  const failure = { code: 'damaged-object', sentence: 'it is', key: 'databases/orders/x' };
  await facts.recordVerification({ ...fact, level: 'checksums', held: false, failure });
  await facts.recordTest({ ...fact, agent: 'one', held: true, assertionsHeld: 0 });
  await marks.put({ ...fact, name: 'release', timeline });
}

async function readAll(repository: Repository): Promise<unknown[]> {
  const { backups, facts, damage, marks } = await storeIn(repository);
  return [
    await currentOwner(repository, 'orders'),
    await readTimelines(repository, 'orders'),
    await backups.history(),
    await facts.of(LABEL),
    await facts.checks(await facts.of(LABEL)),
    await facts.byLabel(),
    await damage.known(),
    await marks.newest(10),
  ];
}

const open = (name: string): Promise<Repository> => opener()(name);

test('makes a repository in an empty folder, and opens it again after a restart', async () => {
  await open('local');
  await expect(open('local')).resolves.toMatchObject({ description: `folder ${folder}/disk` });
});

test.each([
  ['a link into a data directory', 'data/backups'],
  ['a link to the disk that its wal/ lies on', 'log'],
])('refuses a repository that is %s, before it writes there', async (_what, target) => {
  for (const name of ['data/backups', 'log']) await mkdir(join(folder, name), { recursive: true });
  await symlink(join(folder, 'log'), join(folder, 'data/wal'));
  await symlink(join(folder, target), join(folder, 'link'));
  const config = {
    agent: { stateDir: join(folder, 'state') },
    repositories: { local: { kind: 'folder', path: join(folder, 'link') } },
    databases: { orders: { server: { address: '127.0.0.1:7401' }, dataDir: join(folder, 'data'), repositories: ['local'] } },
  };
  await expect(createRepositoryOpener(agentConfigSchema.parse(config))('local')).rejects.toMatchObject({
    code: 'invalid-config',
    message: expect.stringMatching(/link lies in or around .*data.*must lie outside of the data directory/) as string,
  });
  expect(await readdir(join(folder, target))).toEqual([]);
});

test('takes a repository that is suddenly empty for a disk that is not mounted', async () => {
  await open('local');
  await rename(join(folder, 'disk'), join(folder, 'unmounted'));
  await mkdir(join(folder, 'disk'));
  await expect(open('local')).rejects.toMatchObject({ code: 'repository-unavailable' });
});

describe('files that others have put among the objects', () => {
  const NAMES = ['.DS_Store', '._0001.json', 'Thumbs.db', '.syncthing.0001.json.tmp', 'README.txt', '0001.sync-conflict-20261129.json'];
  const FOLDERS = ['owner', 'timelines', 'labels', 'marks', 'index/0001', 'facts', 'damage'];

  test.each(FOLDERS)('in %s are passed over, and named once', async (under) => {
    const told: string[] = [];
    const openAgain = opener(({ key }) => void told.push(key ?? ''));
    await fillRepository(await openAgain('local'));
    const wanted = await readAll(await openAgain('local'));
    for (const name of NAMES) await writeFile(join(folder, 'disk/databases/orders', under, name), 'not sealed');
    for (let time = 0; time < 2; time += 1) expect(await readAll(await openAgain('local'))).toEqual(wanted);
    expect(told).toHaveLength(5);
    expect(new Set(told).size).toBe(5);
  });
});

describe('under a running agent', () => {
  const headerPath = (): string => join(folder, 'disk', 'rstow-repository.json');

  test('a repository whose content was removed is not available, however often it is opened', async () => {
    const openAgain = opener();
    await openAgain('local');
    await rm(headerPath());
    for (let time = 0; time < 2; time += 1) {
      await expect(openAgain('local')).rejects.toMatchObject({
        code: 'repository-unavailable',
        message: expect.stringContaining('somebody has emptied it') as string,
      });
    }
  });

  test('another repository in its place is not available', async () => {
    const openAgain = opener();
    await openAgain('local');
    const header = JSON.parse(await readFile(headerPath(), 'utf8')) as object;
    await writeFile(headerPath(), JSON.stringify({ ...header, id: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff' }));
    await expect(openAgain('local')).rejects.toMatchObject({
      code: 'repository-unavailable',
      message: expect.stringContaining('wrong disk') as string,
    });
  });

  test.each([
    ['a later format', { minWriter: 2 }, 'takes format 2'],
    ['a feature that it does not know', { features: ['ice'] }, 'uses the feature "ice"'],
  ])('%s that the header was raised to is refused in a sentence', async (_what, raised, sentence) => {
    const openAgain = opener();
    await openAgain('local');
    const header = JSON.parse(await readFile(headerPath(), 'utf8')) as object;
    await writeFile(headerPath(), JSON.stringify({ ...header, ...raised }));
    await expect(openAgain('local')).rejects.toMatchObject({
      code: 'format-unsupported',
      message: expect.stringContaining(sentence) as string,
    });
  });
});

test('refuses another repository in the same place', async () => {
  await open('local');
  await rename(join(folder, 'disk'), join(folder, 'first'));
  await mkdir(join(folder, 'disk'));
  await rm(join(folder, 'state'), { recursive: true });
  await open('local');
  await rm(join(folder, 'disk'), { recursive: true });
  await cp(join(folder, 'first'), join(folder, 'disk'), { recursive: true });
  await expect(open('local')).rejects.toMatchObject({
    code: 'repository-unavailable',
    message: expect.stringContaining('wrong disk') as string,
  });
});

test('tries a repository again that could not be opened', async () => {
  const config = {
    agent: { stateDir: join(folder, 'state') },
    repositories: { late: { kind: 'folder', path: join(folder, 'late') } },
    databases: {},
  };
  const openAgain = createRepositoryOpener(agentConfigSchema.parse(config));
  await expect(openAgain('late')).rejects.toMatchObject({ code: 'repository-unavailable' });
  await mkdir(join(folder, 'late'));
  await expect(openAgain('late')).resolves.toBeDefined();
});

test('names the repositories that there are', async () => {
  await expect(open('locl')).rejects.toMatchObject({ code: 'unknown-repository', message: expect.stringContaining('local') as string });
});
