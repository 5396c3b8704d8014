/** A data directory, a repository in memory, and a run, without a server and without Temporal. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/activity-deps.ts';
import { createRunningBackups } from '../../../src/activities/backup/running-backups.ts';
import type { RunPort } from '../../../src/activities/run-port.ts';
import { createStores } from '../../../src/store/store.ts';
import { createTimeline } from '../../../src/store/timelines.ts';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import type { Owner, Timeline } from '../../../src/formats/repository/history.ts';
import { makeSegmentId, segmentFileName, type SegmentId } from '../../../src/core/wal/wal-offset.ts';
import { zstdCoding } from '../../../src/io/coding/zstd.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { goldenSegment } from '../../fixtures/wal/golden.ts';
import { scanAll } from '../../fixtures/wal/scan-all.ts';

export const DATABASE = 'orders';
export const SEGMENT = makeSegmentId(1)!;

/** Where the golden segment's records end, 0 first. */
export const BOUNDARIES = [0, ...scanAll([goldenSegment()]).records.map(({ endBytes }) => endBytes)];

export const firstTimeline: Omit<Timeline, 'format' | 'timeline'> = {
  generation: 1,
  parent: null,
  why: 'first',
  runId: 'claim',
  createdAtMs: 1,
};

/** Of the database, if a test needs one. */
export const OWNER: Owner = {
  format: 1,
  generation: 1,
  agent: 'db1',
  installationId: 'one',
  temporal: { clusterId: 'cluster', namespace: 'default' },
  timeline: '0001',
  claimedAtMs: 1,
};

export type Scene = {
  dataDir: string;
  repository: Repository;
  deps: ActivityDeps;
  writeSegment: (bytes: Uint8Array, id?: SegmentId) => Promise<string>;
};

export async function makeScene(repository: Repository = createMemoryRepository()): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-activity-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const dataDir = join(folder, 'data');
  await mkdir(join(dataDir, 'wal'), { recursive: true });
  const config = agentConfigSchema.parse({
    agent: { name: 'db1', stateDir: join(folder, 'agent') },
    repositories: { local: { kind: 'folder', path: folder } },
    databases: { [DATABASE]: { server: { address: '127.0.0.1:1' }, dataDir, repositories: ['local'] } },
    timing: { tornTailMs: 100 },
  });
  await createTimeline(repository, DATABASE, firstTimeline);
  const writeSegment = async (bytes: Uint8Array, id = SEGMENT): Promise<string> => {
    const path = join(dataDir, 'wal', segmentFileName(id));
    await writeFile(path, bytes);
    return path;
  };
  const requireInstallation = async (): Promise<void> => Promise.resolve();
  const runningBackups = createRunningBackups();
  const storeDeps = {
    config,
    agent: { name: 'db1', installationId: 'one' },
    requireInstallation,
    seenOwners: { recall: async () => Promise.resolve(undefined), remember: async () => Promise.resolve() },
    seenBackups: { recall: async () => Promise.resolve(undefined), remember: async () => Promise.resolve() },
    openRepository: async () => Promise.resolve(repository),
    codingOf: async () => Promise.resolve(zstdCoding),
  };
  const deps = { ...storeDeps, ...createStores(storeDeps), runningBackups, events: { record: () => undefined } } as unknown as ActivityDeps;
  return { dataDir, repository, deps, writeSegment };
}

export function runOf(runId: string): RunPort {
  const { signal } = new AbortController();
  return { workflowId: 'workflow', runId, signal, report: () => undefined, checkOpen: async () => undefined, chain: async () => undefined };
}

export async function keysOf(repository: Repository, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of repository.keys(prefix)) keys.push(key);
  return keys;
}

export async function storedBytes(repository: Repository, key: string): Promise<Buffer> {
  return buffer((await repository.openRead(key))!);
}

/** Puts other bytes in an object's place, as rot or a hand would. */
export async function replaceObject(repository: Repository, key: string, bytes: Uint8Array): Promise<void> {
  await repository.deleteMany([key]);
  await repository.put(key, bytes);
}
