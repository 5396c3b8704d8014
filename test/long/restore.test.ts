import { cp, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreInput, RestoreResult } from '../../src/contract/restore.ts';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { filesBelow, folderHashes } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
let stack: DatabaseStack;
let older: HotBackupResult;
let newer: HotBackupResult;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1 });
  ({ stack } = scene);
  await write('older', 3000);
  older = await backUp();
  await write('newer', 1000);
  newer = await backUp();
});
afterAll(() => scene.close());

const backUp = (): Promise<HotBackupResult> => scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
const restore = (input: Omit<RestoreInput, 'database'>): Promise<RestoreResult> =>
  scene.temporal.execute<RestoreResult>('restore', { database: DATABASE, ...input });

async function write(prefix: string, count: number): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

async function expectRefusal(work: Promise<unknown>, type: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ cause: { type } });
}

async function stateNow(): Promise<string> {
  const { quiescent, stateDigest } = await liveDigest(stack.settings, stack.config.timing, new AbortController().signal);
  expect(quiescent).toBe(true);
  return stateDigest;
}

/** The recorded process of the server: another one after every restart. */
async function serverPid(): Promise<number> {
  return (JSON.parse(await readFile(join(stack.folder, 'service', 'service.json'), 'utf8')) as { pid: number }).pid;
}

async function pieceKeys(): Promise<string[]> {
  const keys = (await filesBelow(stack.repositoryDir)).map((path) => relative(stack.repositoryDir, path));
  return keys.filter((key) => parsePieceKey(key) !== undefined);
}

describe('a restore to another directory', () => {
  it('makes the directory and all missing parents, and leaves database and server alone', async () => {
    const before = { data: await folderHashes(stack.dataDir), pid: await serverPid() };
    const dataDir = join(stack.folder, 'missing', 'parents', 'copy');
    const restored = await restore({ backup: older.label!, to: { dataDir } });
    expect(restored).toMatchObject({ outcome: 'done', dataDir, agent: 'db1', timeline: '0001', rehearsal: 'passed' });
    expect(restored).not.toHaveProperty('replacedAt');
    expect(await folderHashes(stack.dataDir)).toEqual(before.data);
    expect(await serverPid()).toBe(before.pid);
    const live = await folderHashes(stack.walDir);
    const copied = await folderHashes(join(dataDir, 'wal'));
    const sealed = [...copied.keys()].filter((name) => name.endsWith('.wal')).slice(0, -1);
    expect(sealed.length).toBeGreaterThan(0);
    for (const name of sealed) expect(copied.get(name)).toBe(live.get(name));
  });

  it('goes to the named agent’s host, which owns nothing', async () => {
    const configFile = await stack.writeConfig({ name: 'db2', stateDir: join(stack.folder, 'agent-db2') });
    const other = await scene.startAgent(configFile);
    const dataDir = join(stack.folder, 'on-db2');
    const run = await scene.temporal.start('restore', { database: DATABASE, backup: 'latest', to: { dataDir, agent: 'db2' } });
    expect(await run.result()).toMatchObject({ agent: 'db2', dataDir, stateDigest: newer.stateDigest });
    const { events } = await run.fetchHistory();
    const identities = new Set(events!.flatMap(({ activityTaskStartedEventAttributes: started }) => (started ? [started.identity] : [])));
    expect([...identities].map((identity) => identity?.split('@')[0])).toEqual([`db2 (${other.pid}`]);
    await other.kill();
  });

  it('refuses a directory with anything in it, and a database’s own', async () => {
    const dataDir = join(stack.folder, 'precious');
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'file'), 'x');
    await expectRefusal(restore({ backup: 'latest', to: { dataDir } }), 'target-not-empty');
    expect([...(await folderHashes(dataDir)).keys()]).toEqual(['file']);
    await expectRefusal(restore({ backup: 'latest', to: { dataDir: stack.dataDir } }), 'invalid-input');
  });
});

describe('a restore in place', () => {
  let replacedDir: string;
  let grown: HotBackupResult;

  it('touches nothing with dryRun', async () => {
    const before = { data: await folderHashes(stack.dataDir), pid: await serverPid() };
    const planned = await restore({ backup: 'latest', dryRun: true });
    expect(planned).toMatchObject({ dryRun: true, label: newer.label, dataDir: stack.dataDir, stateDigest: newer.stateDigest });
    expect(await folderHashes(stack.dataDir)).toEqual(before.data);
    expect(await serverPid()).toBe(before.pid);
  });

  it('brings an older backup back by its unique beginning, and keeps what it replaced', async () => {
    const replaced = await folderHashes(stack.walDir);
    const restored = await restore({ backup: older.label!.slice(0, -1) });
    expect(restored).toMatchObject({ outcome: 'done', label: older.label, fromTimeline: '0001', timeline: '0002', rehearsal: 'passed' });
    expect(restored.firstBackup).toMatchObject({ piecesStored: 0 });
    expect(await stateNow()).toBe(older.stateDigest);
    replacedDir = restored.replacedAt!;
    expect(await folderHashes(join(replacedDir, 'wal'))).toEqual(replaced);
  });

  it('begins a timeline whose first backup stores only what is new, and shares the rest with its parent', async () => {
    const before = new Set(await pieceKeys());
    const same = await backUp();
    expect(same).toMatchObject({ timeline: '0002', stateDigest: older.stateDigest, piecesStored: 0, extents: older.extents });
    await write('second-timeline', 200);
    grown = await backUp();
    expect(grown.bytesPlain).toBe(grown.extents!.sizeBytes - older.extents!.sizeBytes);
    const added = (await pieceKeys()).filter((key) => !before.has(key));
    expect(added.length).toBe(grown.piecesStored);
    for (const key of added) expect(key).toContain(`/wal/0002/`);
  });

  it('goes back and forth: the newest backup of the first timeline, and of the second; the latest is what was restored last', async () => {
    const latest = await stateNow();
    const back = await restore({ backup: newer.label! });
    expect(back).toMatchObject({ fromTimeline: '0001', timeline: '0003' });
    expect(await stateNow()).toBe(newer.stateDigest);
    expect(await restore({ backup: 'latest', dryRun: true })).toMatchObject({ fromTimeline: '0003', stateDigest: newer.stateDigest });
    const forth = await restore({ backup: grown.label! });
    expect(forth).toMatchObject({ fromTimeline: '0002', timeline: '0004', stateDigest: latest });
    expect(await stateNow()).toBe(latest);
    expect((await stat(join(replacedDir, 'wal'))).isDirectory()).toBe(true);
  });
});

describe('a directory that was put back by other hands', () => {
  it('is no longer its history: a backup refuses, and stores nothing of it', async () => {
    await backUp();
    const copyDir = join(stack.folder, 'copied-by-hand');
    await stack.service.stop();
    await cp(stack.walDir, copyDir, { recursive: true });
    await stack.startServer();
    await write('lost', 200);
    await backUp();
    await stack.service.stop();
    await rm(stack.walDir, { recursive: true });
    await rename(copyDir, stack.walDir);
    await stack.startServer();
    const stored = async (): Promise<string[]> =>
      (await filesBelow(join(stack.repositoryDir, 'databases', DATABASE))).filter((path) => /\/wal\/|manifest\.json$/.test(path));
    const before = await stored();
    await expectRefusal(backUp(), 'timeline-diverged');
    await write('diverged', 400);
    await expectRefusal(backUp(), 'timeline-diverged');
    expect(await stored()).toEqual(before);
    const restored = await restore({ backup: 'latest' });
    expect(restored).toMatchObject({ outcome: 'warnings', replaces: { fault: { code: 'timeline-diverged' } } });
    expect(restored.warnings).toMatchObject([{ code: 'replaced-data-unsaved' }]);
    expect((await backUp()).outcome).toBe('done');
  });
});

describe('a data directory whose wal/ is a symbolic link', () => {
  const moveWal = async (): Promise<void> => {
    await stack.service.stop();
    await rename(stack.walDir, join(stack.folder, 'wal-elsewhere'));
    await symlink(join(stack.folder, 'wal-elsewhere'), stack.walDir);
    await stack.startServer();
  };
  const moveWalBack = async (): Promise<void> => {
    await stack.service.stop();
    await rm(stack.walDir);
    await rename(join(stack.folder, 'wal-elsewhere'), stack.walDir);
    await stack.startServer();
  };

  it('is backed up as any other, and is no place for a restore', async () => {
    await moveWal();
    try {
      const pid = await serverPid();
      expect(await backUp()).toMatchObject({ outcome: 'done', stateDigest: await stateNow() });
      await expectRefusal(restore({ backup: 'latest' }), 'data-directory-unsupported');
      expect(await serverPid()).toBe(pid);
    } finally {
      await moveWalBack();
    }
  });
});

describe('a server that somebody else manages', () => {
  let unmanaged: AgentProcess;

  it('is backed up, but not stopped by a restore', async () => {
    await scene.agent.kill();
    unmanaged = await scene.startAgent(
      await stack.writeConfig(stack.config.agent as { name: string; stateDir: string }, { service: { kind: 'none' } }),
    );
    const pid = await serverPid();
    expect((await backUp()).outcome).toBe('done');
    await expectRefusal(restore({ backup: 'latest' }), 'service-unmanaged');
    expect(await serverPid()).toBe(pid);
    await unmanaged.kill();
  });
});
