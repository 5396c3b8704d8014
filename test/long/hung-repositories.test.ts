import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { stringify } from 'yaml';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { ListBackupsResult } from '../../src/contract/list-backups.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { failureOfRun } from '../support/run-failure.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';

const HUNG = ['hung-1', 'hung-2', 'hung-3', 'hung-4'];

let scene: Omit<Scene, 'agent'>;
let agent: AgentProcess;

beforeAll(async () => {
  scene = await openSceneWithoutAgent(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { timing: { repositoryAnswerMs: 4_000 } },
  );
  const { stack } = scene;
  const configFile = join(stack.folder, 'hung.yaml');
  const repositories = Object.fromEntries(HUNG.map((name) => [name, { kind: 'folder', path: join(stack.folder, name) }]));
  const databases = Object.fromEntries(HUNG.map((name) => [name, { ...stack.plain.databases[DATABASE], repositories: [name] }]));
  await writeFile(
    configFile,
    stringify({
      ...stack.plain,
      repositories: { ...stack.plain.repositories, ...repositories },
      databases: { ...databases, ...stack.plain.databases },
    }),
  );
  for (const name of HUNG) await mkdir(join(stack.folder, name));
  await mkdir(join(stack.config.agent.stateDir, 'repositories'), { recursive: true });
  // Whoever opens a repository reads its known id first: a pipe without a writer keeps the thread that does so for ever.
  execFileSync(
    'mkfifo',
    HUNG.map((name) => join(stack.config.agent.stateDir, 'repositories', name)),
  );
  agent = await scene.startAgent(configFile);
});
afterAll(() => scene.close());

it('lists, backs up and restores one database while the repositories of four others hang, and says so of those', async () => {
  const { stack, temporal } = scene;
  const looks = HUNG.flatMap((name) => [1, 2, 3].map(() => failureOfRun(temporal.execute('listBackups', { database: name }))));
  const load = await startLoadWriters({ address: stack.address, writers: 2 });
  await load.acknowledgedAtLeast(50);
  await load.stop();

  const first = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  expect(first).toMatchObject({ outcome: 'done', restorable: 'from-log' });
  const listedAtMs = performance.now();
  const listed = await temporal.execute<ListBackupsResult>('listBackups', { database: DATABASE });
  expect(listed.backups.map(({ label }) => label)).toEqual([first.label]);
  // A fifth of what the hung ones are waited for in all: the machine of the tests is busy.
  expect(performance.now() - listedAtMs).toBeLessThan(10_000);
  const restored = await temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' });
  expect(restored).toMatchObject({ outcome: 'done', label: first.label, rehearsal: 'passed' });

  for (const look of looks) expect(await look).toMatchObject({ code: 'repository-unavailable' });
});

it('ends when it is told to, though threads of it hang', async () => {
  expect(await agent.kill('SIGTERM')).toBe(0);
});
