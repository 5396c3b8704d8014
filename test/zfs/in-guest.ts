/**
 * What test/zfs runs in its guest, where a pool is: `node test/zfs/in-guest.ts rounds|refusals|kills TEMPORAL_ADDRESS [count]`. The last line of
 * the output is JSON, with figures; a promise that doesn't hold ends it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConfig } from '../../src/config/agent-config.ts';
import type { RestoreVolumeResult } from '../../src/contract/restore-volume.ts';
import type { SnapshotBackupResult } from '../../src/contract/snapshot-backup.ts';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { boundsRound } from '../support/bounds-round.ts';
import { DATABASE } from '../support/database-stack.ts';
import { type AcknowledgedWrite, startLoadWriters } from '../support/load-writers.ts';
import { startRstmdb } from '../support/rstmdb-server.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { waitUntil } from '../support/wait-until.ts';

/** An emulated host is slow, and that is no fault. */
const TIMING = { heartbeatMs: 20_000, stepGiveUpMs: 300_000, patienceMs: 120_000, probeMs: 60_000, transferGiveUpMs: 900_000 };
const WRITES_BEFORE = 1_500;
const ENDED_MS = 300_000;

const DATASET = 'tank/db';

const zfs = (...args: string[]): string => execFileSync('zfs', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const snapshots = (): string[] => lines(zfs('list', '-H', '-o', 'name', '-t', 'snapshot'));
const datasets = (): string[] => lines(zfs('list', '-H', '-o', 'name', '-t', 'filesystem'));

async function withScene<T>(temporalAddress: string, use: (scene: Scene) => Promise<T>): Promise<T> {
  zfs('create', DATASET);
  const dataDir = join('/', DATASET, 'data');
  const database = { snapshot: { kind: 'zfs' }, startTimeoutMs: 300_000, maxDowntimeMs: 300_000 };
  const workflowBundlePath = process.env['RSTOW_WORKFLOW_BUNDLE'] ?? '';
  const scene = await openScene(
    { temporalAddress, workflowBundlePath, agentStartTimeoutMs: 600_000 },
    { dataDir, database, timing: TIMING, segmentSizeMb: 1, restoreRoots: ['/tank', '/fresh', '/tmp'] },
  );
  try {
    return await use(scene);
  } finally {
    await scene.close();
    zfs('destroy', '-r', DATASET);
  }
}

const MODES = {
  files: { type: 'snapshotBackup', input: { snapshot: 'zfs' }, writesBefore: WRITES_BEFORE },
  stream: { type: 'snapshotBackup', input: { snapshot: 'zfs', stream: true }, writesBefore: WRITES_BEFORE },
} as const;

/** Both modes under load: each restored from its pieces and compared; the stream received on another pool besides, where a server starts on it. */
async function rounds(scene: Scene): Promise<unknown> {
  const writes: AcknowledgedWrite[] = [];
  const files = await boundsRound(scene, writes, MODES.files);
  const stream = await boundsRound(scene, writes, MODES.stream);
  assert.deepEqual(snapshots(), []);
  const received = await receive(scene, { label: stream.label, dataset: 'fresh/copy' });
  assert.deepEqual(snapshots(), []);
  receiveByHand(scene, { label: stream.label, dataset: 'fresh/by-hand' });
  await requireShown(scene, { dataDir: '/fresh/by-hand/data', stateDigest: received.stateDigest });
  for (const dataset of ['fresh/copy', 'fresh/by-hand']) zfs('destroy', '-r', dataset);
  return { files, stream, received };
}

type Wanted = { label: string; dataset: string };

type Received = { streamBytes: number; receiveMs: number; instances: number; stateDigest: string };

async function receive(scene: Scene, { label, dataset }: Wanted): Promise<Received> {
  const input = { database: DATABASE, backup: label, dataset };
  const {
    streamBytes,
    durationMs: receiveMs,
    instances,
    ...restored
  } = await scene.temporal.execute<RestoreVolumeResult>('restoreVolume', input);
  assert.equal(restored.dataDir, `/${dataset}/data`);
  await requireShown(scene, restored);
  assert.equal(lines(zfs('get', '-H', '-o', 'value', '-s', 'local', 'all', dataset)).length, 0, 'it is a dataset like any other');
  return { streamBytes, receiveMs, instances, stateDigest: restored.stateDigest };
}

/** A real server starts on it, and shows the backup's state. */
async function requireShown({ stack }: Scene, { dataDir, stateDigest }: { dataDir: string; stateDigest: string }): Promise<void> {
  const server = await startRstmdb({ dataDir });
  try {
    const settings: DatabaseConfig = { ...stack.settings, server: { ...stack.settings.server, address: server.address } };
    const live = await liveDigest(settings, stack.config.timing, new AbortController().signal);
    assert.equal(live.stateDigest, stateDigest);
  } finally {
    await server.stop();
  }
}

/** As docs/recovery.md says it. */
function receiveByHand({ stack }: Scene, { label, dataset }: Wanted): void {
  const page = readFileSync(new URL('../../docs/recovery.md', import.meta.url), 'utf8');
  const [, block = ''] = /```sh\n(zstd -dc [^`]* \| zfs receive [^`]*)```/.exec(page) ?? [];
  const names = { REPOSITORY: stack.repositoryDir, DATABASE, LABEL: label, 'POOL/NAME': dataset, DATADIR: `/${dataset}/data` };
  const command = Object.entries(names).reduce((text, [name, value]) => text.replaceAll(name, value), block);
  execFileSync('sh', ['-euc', command]);
}

/** What can't be received is refused before anything is, and what fails on the way leaves nothing. */
async function refusals(scene: Scene): Promise<unknown> {
  const { temporal, stack } = scene;
  const hot = await temporal.execute<SnapshotBackupResult>('hotBackup', { database: DATABASE });
  const { label } = await temporal.execute<SnapshotBackupResult>('snapshotBackup', { database: DATABASE, ...MODES.stream.input });
  const before = datasets();
  zfs('create', '-o', 'mountpoint=none', 'tank/unmounted');
  zfs('create', '-o', 'mountpoint=/srv', 'tank/elsewhere');
  const codes: Record<string, string> = {};
  const refused = async (name: string, dataset: string, backup = label): Promise<void> => {
    codes[name] = await codeOf(temporal.execute('restoreVolume', { database: DATABASE, backup, dataset }));
  };
  await refused('exists', DATASET);
  await refused('no such pool', 'nowhere/copy');
  await refused('no mount point', 'tank/unmounted/copy');
  await refused('outside of the restore roots', 'tank/elsewhere/copy');
  await refused('no stream', 'fresh/copy', hot.label);
  await damage(join(stack.repositoryDir, 'databases', DATABASE, 'backups', label ?? '', 'volume.zfs.zst'));
  await refused('damaged stream', 'fresh/copy');
  zfs('destroy', 'tank/unmounted');
  zfs('destroy', 'tank/elsewhere');
  assert.deepEqual(datasets(), before);
  return codes;
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => 'done',
    (error: unknown) => {
      const { cause } = error as { cause?: { type?: string } };
      return String(cause?.type);
    },
  );
}

async function damage(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const { size } = await file.stat();
  await file.write(Buffer.from('damaged'), 0, 7, Math.floor(size / 2));
}

type Kill = { type: string; input: Record<string, unknown>; afterMs: number; outcome: string };

/** The agent is killed at a random moment, and half of the runs are terminated as well, so that nobody goes on with them. */
async function kills(scene: Scene, count: number): Promise<unknown> {
  const { stack, temporal } = scene;
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix: 'kills' });
  const first = await temporal.execute<SnapshotBackupResult>('snapshotBackup', { database: DATABASE, ...MODES.stream.input });
  const restored = { database: DATABASE, backup: first.label, dataset: 'fresh/killed' };
  const unharmed = await temporal.execute<RestoreVolumeResult>('restoreVolume', restored);
  zfs('destroy', '-r', restored.dataset);
  const spans = { snapshotBackup: first.durationMs ?? 0, restoreVolume: unharmed.durationMs };
  let agent: AgentProcess = scene.agent;
  const done: Kill[] = [];
  for (let round = 0; round < count; round += 1) {
    const restores = round % 3 === 2;
    const type = restores ? 'restoreVolume' : 'snapshotBackup';
    const backup = { database: DATABASE, ...(round % 3 === 0 ? MODES.files.input : MODES.stream.input) };
    const input = restores ? restored : backup;
    const run = await temporal.start(type, input);
    const afterMs = Math.floor(Math.random() * spans[type] * 1.2);
    await sleep(afterMs);
    await agent.kill('SIGKILL');
    if (round % 2 === 1) await run.terminate('the agent of this test is dead').catch(() => undefined);
    agent = await scene.startAgent(stack.configFile);
    const outcome = await run.result().then(
      () => 'done',
      (error: unknown) => (error as Error).constructor.name,
    );
    await waitUntil('nothing is left', () => nothingLeft(restores && outcome === 'done'), ENDED_MS);
    if (restores && outcome === 'done') zfs('destroy', '-r', 'fresh/killed');
    done.push({ type, input, afterMs, outcome });
    console.log(JSON.stringify(done.at(-1)));
  }
  await load.stop();
  assert.deepEqual((await readdir(join(stack.folder, 'agent', 'volumes')).catch(() => [])).length, 0, 'no note of a dataset is left');
  const last = await temporal.execute<SnapshotBackupResult>('snapshotBackup', { database: DATABASE, ...MODES.files.input });
  assert.deepEqual(snapshots(), []);
  return { kills: done.length, outcomes: done.map(({ outcome }) => outcome), lastBackup: last.outcome };
}

/** A killed run that was restored to its end has its dataset. */
function nothingLeft(isKept: boolean): boolean {
  const expected = isKept ? 1 : 0;
  return snapshots().length === 0 && datasets().filter((name) => name === 'fresh/killed').length === expected;
}

const [what = '', temporalAddress = '', count = '10'] = process.argv.slice(2);
const parts: Record<string, (scene: Scene) => Promise<unknown>> = { rounds, refusals, kills: (scene) => kills(scene, Number(count)) };
const part = parts[what];
assert(part !== undefined, `one of ${Object.keys(parts).join(', ')}`);
console.log(JSON.stringify(await withScene(temporalAddress, part)));
process.exit(0);
