/** A host that has crashed, as far as its agent can see it: another boot was noted, and a file lacks what its server had not synced. */
import { randomUUID } from 'node:crypto';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { archiveWorkflowId } from '../../src/contract/names.ts';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import type { SourceNote } from '../../src/formats/agent-state.ts';
import { readTimelineFile } from '../../src/io/data-directory/rstow-folder.ts';
import { DATABASE } from '../support/database-stack.ts';
import { archivedBytes } from '../support/direct-archive.ts';
import { directDeps } from '../support/direct-backup.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { writeOrders } from '../support/odd-source.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { waitUntil } from '../support/wait-until.ts';

const FIRST = makeSegmentId(1)!;

let scene: Scene;

beforeAll(async () => {
  const archive = { enabled: true, intervalMs: 100, tidyMs: 500 };
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { database: { archive } });
});
afterAll(() => scene.close());

const path = (): string => join(scene.stack.walDir, segmentFileName(FIRST));
const sizeBytes = async (): Promise<number> => (await readFile(path())).length;

async function archived(timeline: string): Promise<void> {
  const deps = directDeps(scene.stack);
  const isWhole = async (): Promise<boolean> => (await archivedBytes(deps, FIRST, timeline)).equals(await readFile(path()));
  await waitUntil(`timeline ${timeline} has the whole log`, isWhole);
}

/** Ends agent and server, and takes from the log what was written behind `keptBytes`. */
async function lose(keptBytes: number): Promise<void> {
  await scene.agent.kill('SIGKILL');
  await scene.stack.service.stop();
  await truncate(path(), keptBytes);
}

it('goes on as a new timeline once it is up again, and says how many archived records the server has lost', async () => {
  const { stack } = scene;
  await writeOrders(stack.address, 10);
  const keptBytes = await sizeBytes();
  await writeOrders(stack.address, 4, 'lost');
  await archived('0001');
  await lose(keptBytes);
  const note = join(stack.config.agent.stateDir, DATABASE, 'source', 'local.json');
  await writeFile(note, JSON.stringify({ ...(JSON.parse(await readFile(note, 'utf8')) as SourceNote), bootId: randomUUID() }));
  await stack.startServer();
  scene.agent = await scene.startAgent(stack.configFile);
  await waitUntil('the log says so', async () => (await readTimelineFile(stack.walDir))?.timeline === '0002');
  await writeOrders(stack.address, 3, 'after');
  await archived('0002');
  expect(scene.agent.logText()).toContain('"kind":"crash-fork"');
  expect(scene.agent.logText()).toContain('6 records that the repository has are not in the log any more');
  expect(await scene.temporal.execute('hotBackup', { database: DATABASE })).toMatchObject({ timeline: '0002', restorable: 'from-log' });
});

it('says what it waits for if the log was cut otherwise, writes nothing, and follows again once a backup is restored', async () => {
  const { stack } = scene;
  const keptBytes = await sizeBytes();
  await writeOrders(stack.address, 4, 'cut');
  await archived('0002');
  await lose(keptBytes);
  await stack.startServer();
  const before = await folderHashes(stack.repositoryDir);
  scene.agent = await scene.startAgent(stack.configFile);
  const archive = scene.temporal.client.workflow.getHandle(archiveWorkflowId(DATABASE));
  const progress = async (): Promise<string> => JSON.stringify(await archive.query('progress'));
  await waitUntil('the archive says so', async () => (await progress()).includes('timeline-diverged'));
  expect(await folderHashes(stack.repositoryDir)).toEqual(before);
  await scene.temporal.execute('restore', { database: DATABASE, backup: 'latest' });
  await writeOrders(stack.address, 3, 'restored');
  await archived('0003');
});
