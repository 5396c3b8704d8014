import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import type { Repository } from '../../../src/io/repository/repository.ts';
import { createRepositoryOpener } from '../../../src/worker/repositories.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-repositories-'));
  await mkdir(join(folder, 'disk'));
});

afterEach(() => rm(folder, { recursive: true }));

/** As an agent that has just started sees it. */
function open(name: string): Promise<Repository> {
  const config = {
    agent: { stateDir: join(folder, 'state') },
    repositories: { local: { kind: 'folder', path: join(folder, 'disk') } },
    databases: {},
  };
  return createRepositoryOpener(agentConfigSchema.parse(config))(name);
}

test('makes a repository in an empty folder, and opens it again after a restart', async () => {
  await open('local');
  await expect(open('local')).resolves.toMatchObject({ description: `folder ${folder}/disk` });
});

test('takes a repository that is suddenly empty for a disk that is not mounted', async () => {
  await open('local');
  await rename(join(folder, 'disk'), join(folder, 'unmounted'));
  await mkdir(join(folder, 'disk'));
  await expect(open('local')).rejects.toMatchObject({ code: 'repository-unavailable' });
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
  const opener = createRepositoryOpener(agentConfigSchema.parse(config));
  await expect(opener('late')).rejects.toMatchObject({ code: 'repository-unavailable' });
  await mkdir(join(folder, 'late'));
  await expect(opener('late')).resolves.toBeDefined();
});

test('names the repositories that there are', async () => {
  await expect(open('locl')).rejects.toMatchObject({ code: 'unknown-repository', message: expect.stringContaining('local') as string });
});
