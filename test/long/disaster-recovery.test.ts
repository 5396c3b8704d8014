import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { currentOwner } from '../../src/store/ownership.ts';
import type { DescribeDatabaseResult } from '../../src/contract/describe-database.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import { PROGRESS_QUERY } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import { answers, msUntilItAnswers } from '../crash/support/server-process.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { filesBelow, folderHashes } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { failureOfRun } from '../support/run-failure.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';
import { waitUntil } from '../support/wait-until.ts';

/** The test asks every 20 ms, on a busy machine. */
const ANSWER_MS = 1000;

let scene: Scene;
let host: DatabaseStack;

beforeEach(async () => {
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { segmentSizeMb: 1 },
  );
  host = await makeStandbyHost(scene.stack);
});

afterEach(async () => {
  await host.remove();
  await scene.close();
});

const backUp = (): Promise<HotBackupResult> => scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
const describe = (): Promise<DescribeDatabaseResult> =>
  scene.temporal.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE });
const recover = (input: Record<string, unknown> = {}): Promise<DisasterRecoveryResult> =>
  scene.temporal.execute<DisasterRecoveryResult>('disasterRecovery', { database: DATABASE, ...input });

async function write(count: number, prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: scene.stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

/** The host burns: agent, server and disk at once. A copy of its data may have been kept. */
async function burn(keptData?: string): Promise<void> {
  await scene.agent.kill('SIGKILL');
  await scene.stack.service.stop();
  if (keptData !== undefined) await cp(scene.stack.dataDir, keptData, { recursive: true });
  await rm(scene.stack.dataDir, { recursive: true });
}

const digestOfHost = async (): Promise<string> =>
  (await liveDigest(host.settings, host.config.timing, new AbortController().signal)).stateDigest;

it('recovers a burnt host on the one that stands by, tells what was lost, and goes on there', async () => {
  await write(1000, 'first');
  const savedAtMs = Date.now();
  const backup = await backUp();
  const backedUpAtMs = Date.now();
  expect(await recover()).toMatchObject({ outcome: 'not-needed' });
  const keptData = join(scene.stack.folder, 'kept');
  await burn(keptData);
  await scene.startAgent(host.configFile);
  const askedAtMs = Date.now();
  const firstAnswerAtMs = msUntilItAnswers(host).then(() => Date.now());
  const result = await recover();
  const endedAtMs = Date.now();
  const { label, stateDigest } = backup;
  expect(result).toMatchObject({ outcome: 'done', label, agent: 'db2', generation: 2, timeline: '0002', stateDigest, skipped: [] });
  const { sinceMs, untilMs, ...known } = result.lost!;
  expect(known).toEqual({ knownRecords: 0, discarded: [], unseen: 'the owner’s host does not answer, so its disk can’t be seen' });
  expectWithin(sinceMs, [savedAtMs, backedUpAtMs]);
  expectWithin(untilMs, [askedAtMs, await firstAnswerAtMs]);
  // The time that is told begins with the request, and ends when the server's state was compared.
  expectWithin(untilMs + result.rtoMs!, [(await firstAnswerAtMs) - ANSWER_MS, endedAtMs]);
  expect(result.firstBackup).toMatchObject({ piecesStored: 0 });
  expect(await digestOfHost()).toBe(stateDigest);
  // The old host comes back with its old data and its old belief: it is fenced, and its server is told to be stale.
  await cp(keptData, scene.stack.dataDir, { recursive: true });
  const repositoryBefore = await folderHashes(scene.stack.repositoryDir);
  await scene.stack.startServer();
  const old = await scene.startAgent(scene.stack.configFile);
  const sentence = `the server at ${scene.stack.address} of agent "db1" is stale; agent "db2" has owned database "orders" since `;
  await waitUntil('the old agent says that its server is stale', () => staleLines(old).some((line) => line.includes(sentence)));
  await write(100, 'unaware');
  const info = await describe();
  expect(info).toMatchObject({ outcome: 'warnings', owner: { agent: 'db2' }, stale: [{ agent: 'db1', address: scene.stack.address }] });
  expect(info.warnings).toContainEqual({ code: 'owner-outdated', message: expect.stringContaining(sentence) as string });
  // Its log says so once, though it has looked many times.
  await sleep(2000);
  expect(staleLines(old)).toHaveLength(1);
  expect(await folderHashes(scene.stack.repositoryDir)).toEqual(repositoryBefore);
  await scene.stack.service.stop();
  expect((await describe()).stale).toEqual([]);
  expect(await backUp()).toMatchObject({ outcome: 'done', timeline: '0002' });
});

it('recovers though the host burnt in the middle of a backup, whose run it ends', async () => {
  await write(300, 'first');
  const { label } = await backUp();
  await write(6000, 'second');
  const dead = await scene.temporal.start('hotBackup', { database: DATABASE });
  const isStoring = async (): Promise<boolean> => (await dead.query<Progress>(PROGRESS_QUERY)).phase.startsWith('storing');
  await waitUntil('the backup stores', isStoring);
  await burn();
  await scene.startAgent(host.configFile);
  const result = await recover();
  expect(result).toMatchObject({ outcome: 'warnings', label, agent: 'db2', generation: 2, firstBackup: {} });
  expect(result.warnings).toMatchObject([{ code: 'busy', message: expect.stringContaining(`hotBackup ${dead.workflowId} `) as string }]);
  expect((await dead.describe()).status.name).toBe('TERMINATED');
});

it('recovers by force over a database that is up, and not without', async () => {
  await write(300, 'first');
  const { label, stateDigest } = await backUp();
  await write(200, 'second');
  expect(await recover()).toMatchObject({ outcome: 'not-needed' });
  expect(await failureOfRun(recover({ force: true }))).toMatchObject({ code: 'newer-data-discarded' });
  const result = await recover({ force: true, discardNewer: true });
  expect(result).toMatchObject({ outcome: 'warnings', label, stateDigest, agent: 'db1', generation: 2, timeline: '0002', skipped: [] });
  const live = await liveDigest(scene.stack.settings, scene.stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(stateDigest);
  // Even so what was in no backup is one now.
  expect(result.savedAs).toMatch(/-tail$/);
  expect(await backUp()).toMatchObject({ outcome: 'done', timeline: '0002', stateDigest });
});

it('falls back to the next best state, names what it skipped, and counts what is lost', async () => {
  await write(600, 'first');
  const older = await backUp();
  const olderAtMs = Date.now();
  await write(600, 'second');
  const newer = await backUp();
  await flipByte((await newestPiece())!);
  await burn();
  await scene.startAgent(host.configFile);
  const result = await recover({ agent: 'db2', force: true });
  expect(result).toMatchObject({ outcome: 'warnings', label: older.label, stateDigest: older.stateDigest, extents: older.extents });
  expect(result.skipped).toMatchObject([{ label: newer.label, code: 'damaged-object' }]);
  expect(result.warnings.map(({ code }) => code)).toEqual(['state-skipped', 'records-lost']);
  // Four writers made 600 writes at least, each of them a record.
  const knownRecords = newer.records! - older.records!;
  expect(knownRecords).toBeGreaterThanOrEqual(600);
  expect(result.lost).toMatchObject({ knownRecords, knownEnd: newer.extents!.end });
  expect(result.lost!.sinceMs).toBeLessThanOrEqual(olderAtMs);
  expect(await digestOfHost()).toBe(older.stateDigest);
});

it('recovers nothing where every state is damaged, says why for each, and touches nothing', async () => {
  await write(300, 'first');
  const older = await backUp();
  const [piece] = await pieces();
  await write(300, 'second');
  const newer = await backUp();
  await flipByte(piece!);
  await rm((await newestPiece())!);
  await burn();
  const before = await repositoryAndOwner();
  await scene.startAgent(host.configFile);
  // By force: the lost owner is waited for once, not twice.
  const failure = await failureOfRun(recover({ agent: 'db2', force: true }));
  expect(failure).toMatchObject({
    code: 'backup-not-found',
    details: {
      reasons: [
        expect.stringMatching(new RegExp(`^${newer.label} in local: .* is missing`)) as string,
        expect.stringMatching(new RegExp(`^${older.label} in local: damaged-object: `)) as string,
      ],
    },
  });
  // The next copy or backup stores again what was found damaged.
  const { files, generation } = await repositoryAndOwner();
  const isDamageRecord = ([path]: [string, string]): boolean => path.startsWith(`databases/${DATABASE}/damage`);
  expect({ files: files.filter((file) => !isDamageRecord(file)), generation }).toEqual(before);
  expect(files.some(isDamageRecord)).toBe(true);
  expect(await folderHashes(host.dataDir)).toEqual(new Map());
  expect(await answers(host)).toBe(false);
});

/** What an agent's log says of stale servers. */
const staleLines = (agent: AgentProcess): string[] =>
  agent
    .logText()
    .split('\n')
    .filter((line) => line.includes('is stale'))
    .map((line) => (JSON.parse(line) as { msg: string }).msg);

/** In the order in which backups came to need them: this log is one segment. */
async function pieces(): Promise<string[]> {
  return (await filesBelow(scene.stack.repositoryDir)).filter((path) => parsePieceKey(path) !== undefined).sort();
}

const newestPiece = async (): Promise<string | undefined> => (await pieces()).at(-1);

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** But for what runs note down of themselves. */
async function repositoryAndOwner(): Promise<{ files: [string, string][]; generation: number | undefined }> {
  const { repositoryDir } = scene.stack;
  const files = [...(await folderHashes(repositoryDir))].filter(([path]) => !/^(\.tmp|databases\/orders\/plans)\b/.test(path));
  return { files, generation: (await currentOwner(await scene.stack.openRepository(), DATABASE))?.generation };
}

function expectWithin(valueMs: number, [fromMs, toMs]: [number, number]): void {
  expect(valueMs).toBeGreaterThanOrEqual(fromMs);
  expect(valueMs).toBeLessThanOrEqual(toMs);
}
