/** One database with two repositories: the primary, and a copy that some tool makes of it now and again. */
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { currentOwner } from '../../src/store/ownership.ts';
import { readTimelines } from '../../src/store/timelines.ts';
import type { DescribeDatabaseResult } from '../../src/contract/describe-database.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import { openFolderRepository } from '../../src/io/repository/folder.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';
import { waitUntil } from '../support/wait-until.ts';

/** So many times an agent looks for the owner meanwhile. */
const PASSES_MS = 2500;

let scene: Scene;
let host: DatabaseStack;

beforeEach(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1, hasCopy: true, timing: { patienceMs: 3_000 } });
  host = await makeStandbyHost(scene.stack);
});

afterEach(async () => {
  await host.remove();
  await scene.close();
});

const backUp = (repository?: string): Promise<HotBackupResult> =>
  scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE, ...(repository === undefined ? {} : { repository }) });
const recover = (input: { force?: boolean } = {}): Promise<DisasterRecoveryResult> =>
  scene.temporal.execute<DisasterRecoveryResult>('disasterRecovery', { database: DATABASE, ...input });
const describe = (repository: string): Promise<DescribeDatabaseResult> =>
  scene.temporal.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE, repository });

async function write(stack: DatabaseStack, prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(300);
  await load.stop();
}

const goesAway = (folder: string): Promise<void> => rename(folder, `${folder}-away`);
const comesBack = (folder: string): Promise<void> => rename(`${folder}-away`, folder);

/** Seen by the agent only when it is whole; what the primary is still staging is not part of it. */
async function copyRepository(): Promise<void> {
  const { repositoryDir, copyDir } = scene.stack;
  const filter = (path: string): boolean => basename(path) !== '.tmp';
  await cp(repositoryDir, `${copyDir}-away`, { recursive: true, preserveTimestamps: true, filter });
  await comesBack(copyDir);
}

async function burn(): Promise<void> {
  await scene.agent.kill('SIGKILL');
  await scene.stack.service.stop();
  await rename(scene.stack.dataDir, `${scene.stack.dataDir}-away`);
}

async function flipByteOfNewestPiece(folder: string): Promise<void> {
  const pieces = (await filesBelow(folder)).filter((path) => parsePieceKey(path) !== undefined);
  const newest = pieces.sort().at(-1)!;
  const bytes = await readFile(newest);
  const at = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(newest, bytes);
}

/** The old host comes back with its old data and its old belief. */
async function oldHostReturns(): Promise<AgentProcess> {
  await rename(`${scene.stack.dataDir}-away`, scene.stack.dataDir);
  await scene.stack.startServer();
  return scene.startAgent(scene.stack.configFile);
}

const saysIn = async (folder: string): Promise<{ agent: string | undefined; timelines: string[] }> => {
  const repository = await openFolderRepository(folder);
  const agent = (await currentOwner(repository, DATABASE))?.agent;
  return { agent, timelines: [...(await readTimelines(repository, DATABASE)).keys()] };
};
const ownershipsOf = (agent: AgentProcess): (string | undefined)[] =>
  [...agent.logText().matchAll(/"ownership":"(\w+)"/g)].map(([, kind]) => kind);
const digestOfHost = async (): Promise<string> =>
  (await liveDigest(host.settings, host.config.timing, new AbortController().signal)).stateDigest;

it('recovers from the copy while the primary is gone, stays the owner when that returns, and goes on in it', async () => {
  const { stack } = scene;
  await write(stack, 'copied');
  const copied = await backUp();
  await copyRepository();
  await goesAway(stack.copyDir);
  await write(stack, 'not copied');
  await backUp();
  await comesBack(stack.copyDir);
  await burn();
  await goesAway(stack.repositoryDir);
  await scene.startAgent(host.configFile);
  const result = await recover();
  expect(result).toMatchObject({ label: copied.label, repository: 'copy', agent: 'db2', generation: 2, timeline: '0002' });
  expect(result.skipped).toMatchObject([{ repository: 'local', code: 'repository-unavailable' }]);
  expect(result.warnings.map(({ code }) => code)).toEqual(['repository-unavailable', 'state-skipped']);
  expect(result.firstBackup).toMatchObject({ piecesStored: 0 });
  expect(await digestOfHost()).toBe(copied.stateDigest);
  const old = await oldHostReturns();
  expect(ownershipsOf(old)).toEqual(['foreign']);
  await write(host, 'on the new host');
  expect(await backUp('copy')).toMatchObject({ outcome: 'warnings', timeline: '0002', copies: { stored: 1, wanted: 2, quorum: 1 } });
  await comesBack(stack.repositoryDir);
  await waitUntil('the primary names the new owner', async () => (await saysIn(stack.repositoryDir)).agent === 'db2');
  expect((await saysIn(stack.repositoryDir)).timelines).toEqual(['0001', '0002']);
  await stack.service.stop();
  const backup = await backUp();
  expect(backup).toMatchObject({ outcome: 'done', repository: 'local', timeline: '0002', stateDigest: await digestOfHost() });
  expect(backup.piecesStored).toBeGreaterThan(0);
  const { label, stateDigest } = backup;
  expect(await scene.temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE, level: 'replay' })).toMatchObject({
    label,
    stateDigest,
  });
  expect(await scene.temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' })).toMatchObject({
    label,
    stateDigest,
  });
  expect(await digestOfHost()).toBe(stateDigest);
  expect(ownershipsOf(old)).toEqual(['foreign']);
});

it('recovers from the copy what the primary lacks or has damaged, though both can be read', async () => {
  const { stack } = scene;
  await write(stack, 'first');
  await backUp();
  await write(stack, 'second');
  const inBoth = await backUp();
  await copyRepository();
  await write(stack, 'third');
  await goesAway(stack.repositoryDir);
  const inCopy = await backUp('copy');
  await comesBack(stack.repositoryDir);
  await flipByteOfNewestPiece(stack.repositoryDir);
  await flipByteOfNewestPiece(stack.copyDir);
  await scene.startAgent(host.configFile);
  const { label, stateDigest } = inBoth;
  // By force: a lost owner would be waited for.
  const result = await recover({ force: true });
  expect(result).toMatchObject({ outcome: 'warnings', label, stateDigest, repository: 'local', generation: 2, timeline: '0002' });
  expect(result.skipped).toMatchObject([{ label: inCopy.label, repository: 'copy', code: 'damaged-object' }]);
  expect(result.served?.map(({ repository }) => repository)).toContain('copy');
  expect(result.lost).toMatchObject({ knownRecords: inCopy.records! - inBoth.records!, knownEnd: inCopy.extents!.end });
  expect(await digestOfHost()).toBe(stateDigest);
});

it('changes nobody’s mind by a stale copy while the primary is away', async () => {
  const { stack } = scene;
  await write(stack, 'first');
  await backUp();
  await copyRepository();
  await goesAway(stack.copyDir);
  await burn();
  const fresh = await scene.startAgent(host.configFile);
  await recover();
  const old = await oldHostReturns();
  await goesAway(stack.repositoryDir);
  expect(await saysIn(`${stack.copyDir}-away`)).toEqual({ agent: 'db1', timelines: ['0001'] });
  await comesBack(stack.copyDir);
  await sleep(PASSES_MS);
  expect((await describe('copy')).owner).toMatchObject({ agent: 'db2', generation: 2 });
  const dryRun = { database: DATABASE, backup: 'latest', repository: 'copy', dryRun: true };
  expect(await scene.temporal.execute<RestoreResult>('restore', dryRun)).toMatchObject({ agent: 'db2' });
  expect(ownershipsOf(old)).not.toContain('mine');
  expect(ownershipsOf(fresh).at(-1)).toBe('mine');
  await comesBack(stack.repositoryDir);
  await waitUntil('the copy names the new owner', async () => (await saysIn(stack.copyDir)).agent === 'db2');
  expect((await saysIn(stack.copyDir)).timelines).toEqual(['0001', '0002']);
  expect(await backUp()).toMatchObject({ outcome: 'done', repository: 'local', timeline: '0002' });
  expect(await backUp('copy')).toMatchObject({ outcome: 'done', repository: 'copy', timeline: '0002' });
});
