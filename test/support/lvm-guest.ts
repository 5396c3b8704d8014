/**
 * Backups from LVM snapshots, in a kernel that has LVM: run by test/hosts/lvm.test.ts and scripts/evidence/lvm-kills.ts inside a guest. Says
 * in a file what each case came to. `KILLS` says how many backups are killed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openDatabase } from '../../src/database/database.ts';
import { readMounts } from '../../src/io/files/mounts.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { clearSnapshots } from '../../src/worker/watch/leftovers.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { readWal, requireLiveBytes, requireWrite } from './bounds-round.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack, type PlainConfig, stackOf } from './database-stack.ts';
import { directDeps, restoreElsewhere } from './direct-backup.ts';
import { backUpSnapshot } from './direct-snapshot.ts';
import { startLoadWriters } from './load-writers.ts';
import { startRstmdb } from './rstmdb-server.ts';
import { runOrThrow } from './root-file-system.ts';

export const LVM_CASES = [
  'a backup under load holds what was acknowledged before it, and nothing that was sent after its end',
  'a restore of it is the server’s own state, by its digest',
  'XFS is copied from as well',
  'backups that are killed leave no snapshot and no mount behind the next start',
  'what an open run has taken stays, and so does what others have',
  'a snapshot that overflows is a named failure, and no backup',
  'a group without room, another disk and a log on a mount of its own are refused in one sentence each',
] as const;

export type LvmCase = (typeof LVM_CASES)[number];
export type LvmOutcome = { case: LvmCase; ms: number; facts?: unknown; failure?: string };

const GROUP = 'vg0';
const EXT4 = '/tmp/ext4';
const XFS = '/tmp/xfs';
const MIB = 1024 * 1024;
const WRITERS = 4;
/** The guest has one processor for server, writers and rstow. */
const PAUSE_MS = 100;
const WRITES_BEFORE = 800;

type Server = { stack: DatabaseStack; label: string };

/** Of the guest's own disk. */
async function makeVolumes(): Promise<void> {
  await runOrThrow('vgcreate', ['--quiet', '--yes', GROUP, '/dev/ubda']);
  for (const [name, sizeMb, fileSystem, mountPoint] of [
    ['ext4', 160, 'ext4', EXT4],
    ['xfs', 320, 'xfs', XFS],
  ] as const) {
    await runOrThrow('lvcreate', ['--quiet', '--yes', '--size', `${sizeMb}M`, '--name', name, GROUP]);
    await runOrThrow(`mkfs.${fileSystem}`, ['-q', `/dev/${GROUP}/${name}`]);
    await mkdir(mountPoint, { recursive: true });
    await runOrThrow('mount', [`/dev/${GROUP}/${name}`, mountPoint]);
  }
}

function makeStack(mountPoint: string, sizeBytes: number): Promise<DatabaseStack> {
  const database = { snapshot: { kind: 'lvm', sizeBytes } };
  return makeDatabaseStack({ temporalAddress: '127.0.0.1:1', segmentSizeMb: 1, dataDir: join(mountPoint, 'data'), database });
}

async function backUpUnderLoad({ stack }: Pick<Server, 'stack'>): Promise<Server & { facts: object }> {
  const load = await startLoadWriters({ address: stack.address, writers: WRITERS, pauseMs: PAUSE_MS });
  await load.acknowledgedAtLeast(WRITES_BEFORE);
  const promised = [...load.result.acknowledged];
  const startedAtMs = performance.now();
  const { label = '', snapshot, extents, pin } = await backUpSnapshot(stack);
  const backupMs = performance.now() - startedAtMs;
  await writeAfter(stack);
  const writtenMeanwhile = (await load.stop()).acknowledged.length - promised.length;
  assert.ok(writtenMeanwhile > 0, 'the writers wrote while the backup ran');
  assert.equal(pin, 'snapshot');
  await requireNothingLeft();
  const dataDir = join(stack.folder, 'restored');
  await restoreElsewhere(stack, label, dataDir);
  const wal = await readWal(join(dataDir, 'wal'));
  const bytesCompared = await requireLiveBytes(wal, stack.walDir);
  assert.equal(bytesCompared, extents?.sizeBytes);
  for (const write of promised) requireWrite(wal, write);
  assert.ok(![...wal.values()].some((bytes) => bytes.includes('after-its-end')), 'nothing is in it that was sent after its end');
  return {
    stack,
    label,
    facts: { backupMs, snapshot, segments: wal.size, promised: promised.length, bytesCompared, writtenMeanwhile },
  };
}

async function writeAfter({ address }: DatabaseStack): Promise<void> {
  const client = await connectRstmdb({ address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
  await createInstance(client, { id: 'after-its-end', machine: ORDER_MACHINE.machine, version: ORDER_MACHINE.version });
  await client.close();
}

async function requireSameDigest({ stack, label }: Server): Promise<object> {
  const deps = directDeps(stack);
  const { stateDigest, instances } = await (await deps.openStore(DATABASE, undefined)).backups.read(label);
  const server = await startRstmdb({ dataDir: join(stack.folder, 'restored') });
  try {
    const settings = { ...stack.settings, server: { ...stack.settings.server, address: server.address } };
    const live = await liveDigest(settings, stack.config.timing, new AbortController().signal);
    assert.equal(live.stateDigest, stateDigest);
    return { stateDigest, instances };
  } finally {
    await server.stop();
  }
}

async function copyFromXfs(): Promise<object> {
  const stack = await makeStack(XFS, 32 * MIB);
  try {
    const { facts } = await backUpUnderLoad({ stack });
    return facts;
  } finally {
    await stack.remove();
  }
}

/** What of rstow's is on this host, of all databases. */
async function left(): Promise<string[]> {
  const names = (await runOrThrow('lvs', ['--noheadings', '-o', 'lv_name', GROUP])).split('\n').map((line) => line.trim());
  const mounts = (await readMounts()).filter(({ mountPoint }) => mountPoint.includes('/snapshots/')).map(({ mountPoint }) => mountPoint);
  return [...names.filter((name) => name.startsWith('rstow-')), ...mounts];
}

async function requireNothingLeft(): Promise<void> {
  assert.deepEqual(await left(), []);
}

const nobody = { record: () => undefined };

/** What the agent does with what runs have left, at its start and each minute. */
async function housekeeping(stack: DatabaseStack, state: 'open' | 'closed' | 'unknown'): Promise<void> {
  const database = openDatabase({ config: stack.config, configFile: stack.configFile }, DATABASE);
  await clearSnapshots(database, { runState: async () => Promise.resolve(state) }, nobody);
}

const PASSES_MAX = 5;

/** Kills at random moments of a backup: one that was done before its kill says how long one takes by now. */
async function killBackups({ stack }: Server, kills: number): Promise<object> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, pauseMs: PAUSE_MS, prefix: 'beside-kills' });
  let backupMs = await backUpInChild(stack);
  const tookMs = Math.round(backupMs);
  const rounds: { afterMs: number; left: number; passes: number }[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    const afterMs = Math.random() * backupMs;
    const workedMs = await backUpInChild(stack, afterMs);
    if (workedMs < afterMs) backupMs = workedMs;
    const found = (await left()).length;
    let passes = 0;
    for (; passes < PASSES_MAX && (passes === 0 || (await left()).length > 0); passes += 1) await housekeeping(stack, 'closed');
    await requireNothingLeft();
    assert.deepEqual(await readdir(join(stack.config.agent.stateDir, DATABASE, 'snapshots')).catch(() => []), []);
    rounds.push({ afterMs: Math.round(afterMs), left: found, passes });
    console.log(`kill ${kill + 1}`, JSON.stringify(rounds.at(-1)));
  }
  await load.stop();
  const { outcome } = await backUpSnapshot(stack);
  assert.equal(outcome, 'done');
  return { kills, tookMs, leftSomething: rounds.filter((round) => round.left > 0).length, rounds };
}

/** Gives how long it was at work; it is killed after so long, if anything is said. */
async function backUpInChild(stack: DatabaseStack, killAfterMs?: number): Promise<number> {
  const places = { folder: stack.folder, dataDir: stack.dataDir, repositoryDir: stack.repositoryDir };
  const stackFile = join(stack.folder, 'stack.json');
  await writeFile(stackFile, JSON.stringify({ plain: stack.plain, places }));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url), stackFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('begun')) break;
  const begunAtMs = performance.now();
  if (killAfterMs !== undefined) {
    await Promise.race([sleep(killAfterMs), exited]);
    child.kill('SIGKILL');
  }
  await exited;
  return performance.now() - begunAtMs;
}

/** The process that is killed. */
async function backUpInProcess(stackFile: string): Promise<void> {
  const { plain, places } = JSON.parse(await readFile(stackFile, 'utf8')) as { plain: PlainConfig; places: Parameters<typeof stackOf>[1] };
  await backUpSnapshot(await stackOf(plain, places), { onRun: (runId) => console.log(`begun ${runId}`) });
}

async function keepOthers({ stack }: Server): Promise<void> {
  const run = '0123456789abcdef0123456789abcdef';
  const own = `rstow-${DATABASE}-${run}`;
  const others = [`rstow-${DATABASE}-copy-${run}`, 'rstow-by-hand'];
  for (const name of [own, ...others]) await runOrThrow('lvcreate', ['--quiet', '--yes', '-s', '-L', '4M', '-n', name, `${GROUP}/ext4`]);
  await housekeeping(stack, 'open');
  assert.deepEqual((await left()).sort(), [own, ...others].sort());
  // Of a run that nobody knows it is not sure yet that it has ended.
  await housekeeping(stack, 'unknown');
  assert.deepEqual((await left()).sort(), [own, ...others].sort());
  await housekeeping(stack, 'closed');
  assert.deepEqual((await left()).sort(), others.sort());
  for (const name of others) await runOrThrow('lvremove', ['--quiet', '--yes', `${GROUP}/${name}`]);
}

const OVERWRITTEN_BYTES = 12 * MIB;

async function overflow({ stack }: Server): Promise<object> {
  const { snapshot: _, ...database } = stack.plain.databases[DATABASE] ?? {};
  const small = await withDatabase(stack, { ...database, snapshot: { kind: 'lvm', sizeBytes: 4 * MIB } });
  const before = await manifests(stack);
  const afterTake = async (): Promise<void> => {
    await writeFile(join(EXT4, 'overwriting'), Buffer.alloc(OVERWRITTEN_BYTES, 1), { flush: true });
    await runOrThrow('sync', ['--file-system', EXT4]);
  };
  const failed = await backUpSnapshot(small, { afterTake }).catch((error: unknown) => error);
  assert.equal((failed as { code?: string }).code, 'snapshot-overflowed', String(failed));
  assert.deepEqual(await manifests(stack), before);
  await requireNothingLeft();
  await rm(join(EXT4, 'overwriting'));
  return { sentence: String(failed) };
}

async function manifests(stack: DatabaseStack): Promise<string[]> {
  const files = await readdir(stack.repositoryDir, { recursive: true });
  return files.filter((file) => file.endsWith('manifest.json')).sort();
}

function withDatabase(stack: DatabaseStack, database: Record<string, unknown>, dataDir = stack.dataDir): Promise<DatabaseStack> {
  const plain = { ...stack.plain, databases: { [DATABASE]: { ...database, dataDir } } };
  return stackOf(plain, { folder: stack.folder, dataDir, repositoryDir: stack.repositoryDir });
}

async function refuse({ stack }: Server): Promise<object> {
  const database = stack.plain.databases[DATABASE] ?? {};
  const apart = join(EXT4, 'apart');
  await mkdir(join(apart, 'wal'), { recursive: true });
  await mkdir('/tmp/elsewhere/wal', { recursive: true });
  await runOrThrow('mount', ['-t', 'tmpfs', 'none', join(apart, 'wal')]);
  const refusals = [
    ['not-enough-space', await withDatabase(stack, { ...database, snapshot: { kind: 'lvm', sizeBytes: 4096 * MIB } })],
    ['snapshot-unsupported', await withDatabase(stack, database, '/tmp/elsewhere')],
    ['snapshot-unsupported', await withDatabase(stack, database, apart)],
  ] as const;
  const sentences: string[] = [];
  for (const [code, refused] of refusals) {
    const deps = directDeps(refused);
    const { checkSnapshot } = await import('../../src/activities/snapshot/snapshot.ts');
    const failed = await checkSnapshot(deps)({ database: DATABASE }).catch((error: unknown) => error);
    assert.equal((failed as { code?: string }).code, code, String(failed));
    sentences.push(String(failed));
  }
  await runOrThrow('umount', [join(apart, 'wal')]);
  return { sentences };
}

async function runCases(resultsFile: string, kills: number): Promise<void> {
  await makeVolumes();
  const server: Server = { stack: await makeStack(EXT4, 48 * MIB), label: '' };
  const bounds = async (): Promise<object> => {
    const { label, facts } = await backUpUnderLoad(server);
    Object.assign(server, { label });
    return facts;
  };
  const bodies: Record<LvmCase, () => Promise<unknown>> = {
    [LVM_CASES[0]]: bounds,
    [LVM_CASES[1]]: () => requireSameDigest(server),
    [LVM_CASES[2]]: copyFromXfs,
    [LVM_CASES[3]]: () => killBackups(server, kills),
    [LVM_CASES[4]]: () => keepOthers(server),
    [LVM_CASES[5]]: () => overflow(server),
    [LVM_CASES[6]]: () => refuse(server),
  };
  for (const name of LVM_CASES) await appendFile(resultsFile, `${JSON.stringify(await outcomeOf(name, bodies[name]))}\n`);
  await server.stack.remove();
}

async function outcomeOf(name: LvmCase, body: () => Promise<unknown>): Promise<LvmOutcome> {
  const startedAtMs = performance.now();
  const took = (): number => Math.round(performance.now() - startedAtMs);
  try {
    const facts = await body();
    return { case: name, ms: took(), facts };
  } catch (error) {
    return { case: name, ms: took(), failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [given = ''] = process.argv.slice(2);
  if (given.endsWith('.json')) await backUpInProcess(given);
  else await runCases(given, Number(process.env['KILLS'] ?? '3'));
}
