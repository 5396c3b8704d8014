/** A repository with a history that was left and one in use, whose old backups expire in a process that is killed again and again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { storeBytes } from '../../src/activities/backup/piece-store.ts';
import type { ExpireBackupsResult } from '../../src/contract/expire-backups.ts';
import { backupLabel } from '../../src/core/backup/label.ts';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import { makeSegmentId } from '../../src/core/wal/wal-offset.ts';
import type { Manifest, ManifestRange, ManifestSegment } from '../../src/formats/repository/manifest.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import type { Store } from '../../src/store/store.ts';
import { fallOf, type KillFalls } from './kill-falls.ts';
import { orderRecord } from './wal-writer.ts';

const EXPIRE_MAIN = fileURLToPath(new URL('expire-main.ts', import.meta.url));
const DATABASE = 'orders';

/** Of each history: each backup stores one more segment. */
const BACKUPS = 12;
const FORK = 4;
const DAY_MS = 86_400_000;

/** The days after the repository was filled on which it is expired: all is old, and a day and more later the rest goes. */
const LATER_DAYS = 100;

/** A busy machine lets a kill come too late. */
const PAIRS_MAX = 12;

/** What kills fell into while manifests moved, and while the rest was deleted. */
export type ExpiryRound = { moving: KillFalls; deleting: KillFalls; results: ExpireBackupsResult[]; broken: string[] };

/** Kills one run that moves and one that deletes, on a repository of their own, until so many kills of each fell within that work. */
export async function expiryRound({ withinEach }: { withinEach: number }): Promise<ExpiryRound> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-expiry-'));
  const none = { before: 0, within: 0, after: 0 };
  const round: ExpiryRound = { moving: { ...none }, deleting: { ...none }, results: [], broken: [] };
  try {
    const scene = await makeExpiryScene(folder);
    const template = join(folder, 'template');
    await cp(scene.repositoryDir, template, { recursive: true, preserveTimestamps: true });
    const whole = await wholeWork(scene);
    for (let pair = 0; pair < PAIRS_MAX && Math.min(round.moving.within, round.deleting.within) < withinEach; pair += 1) {
      await rm(scene.repositoryDir, { recursive: true });
      await cp(template, scene.repositoryDir, { recursive: true, preserveTimestamps: true });
      await killedPair(scene, whole, round);
    }
    return round;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export type ExpiryScene = { configFile: string; repositoryDir: string; held: string; newest: string };

/** Manifests in the trash, and those with the objects of the log. */
type Counts = { moved: number; deletable: number };

/** What runs move and delete that nobody kills. */
async function wholeWork(scene: ExpiryScene): Promise<{ moved: number; deleted: number }> {
  await finished(scene, LATER_DAYS);
  const { moved, deletable } = await countsOf(scene);
  await finished(scene, LATER_DAYS + 2);
  return { moved, deleted: deletable - (await countsOf(scene)).deletable };
}

async function killedPair(scene: ExpiryScene, whole: { moved: number; deleted: number }, round: ExpiryRound): Promise<void> {
  const moving = await killedOnce(scene, LATER_DAYS, { whole: whole.moved, doneOf: ({ moved }) => moved });
  round.moving[moving] += 1;
  round.broken.push(...(await brokenPromises(scene)));
  await finished(scene, LATER_DAYS);
  const { deletable: before } = await countsOf(scene);
  const deleting = await killedOnce(scene, LATER_DAYS + 2, { whole: whole.deleted, doneOf: ({ deletable }) => before - deletable });
  round.deleting[deleting] += 1;
  round.broken.push(...(await brokenPromises(scene)));
  round.results.push(await finished(scene, LATER_DAYS + 3));
  round.broken.push(...(await brokenPromises(scene)), ...(await leftOvers(scene)));
}

type Work = { whole: number; doneOf: (counts: Counts) => number };

/** At a random share of the work. */
async function killedOnce(scene: ExpiryScene, days: number, { whole, doneOf }: Work): Promise<keyof KillFalls> {
  const killedAt = Math.ceil(Math.random() * (whole - 1));
  await expire(scene.configFile, days, async (hasEnded) => {
    while (!hasEnded() && doneOf(await countsOf(scene)) < killedAt);
  });
  return fallOf(doneOf(await countsOf(scene)), whole);
}

async function finished({ configFile }: ExpiryScene, days: number): Promise<ExpireBackupsResult> {
  const result = await expire(configFile, days);
  if (result === undefined) throw new Error('the run was not to be killed');
  return result;
}

export async function makeExpiryScene(folder: string): Promise<ExpiryScene> {
  const repositoryDir = join(folder, 'repository');
  await mkdir(repositoryDir);
  const configFile = join(folder, 'db1.yaml');
  const settings = { server: { address: '127.0.0.1:1' }, dataDir: join(folder, 'data'), repositories: ['local'] };
  const repositories = { local: { kind: 'folder', path: repositoryDir } };
  await writeFile(
    configFile,
    stringify({ agent: { name: 'db1', stateDir: join(folder, 'db1') }, repositories, databases: { [DATABASE]: settings } }),
  );
  const deps = await localDeps(configFile);
  const store = await deps.openStore(DATABASE);
  const nowMs = Date.now();
  const fork = await fillTimeline(store, { timeline: '0001', before: [], firstMs: nowMs - 60 * DAY_MS });
  const shared = fork.slice(0, FORK);
  const extents = shared.map(({ segment, ranges }) => ({ segment, endBytes: ranges.at(-1)!.endBytes }));
  await store.timelines.put({
    format: 1,
    timeline: '0001',
    generation: 1,
    parent: null,
    why: 'first',
    runId: 'fill',
    createdAtMs: nowMs - 60 * DAY_MS,
  });
  const parent = { timeline: '0001', extents };
  await store.timelines.put({
    format: 1,
    timeline: '0002',
    generation: 1,
    parent,
    why: 'restore',
    runId: 'fill',
    createdAtMs: nowMs - 40 * DAY_MS,
  });
  await fillTimeline(store, { timeline: '0002', before: shared, firstMs: nowMs - 30 * DAY_MS });
  const { name, installationId } = deps.agent;
  const temporal = { clusterId: 'none', namespace: 'default' };
  await store.owner.claim({ format: 1, generation: 1, agent: name, installationId, temporal, timeline: '0002', claimedAtMs: nowMs });
  const backups = (await (await deps.openStore(DATABASE)).backups.history()).backups;
  // In mid-way of the log that was left: what comes after it goes.
  const held = backups.filter(({ timeline, isInUse }) => timeline === '0001' && !isInUse).at(-2)!.label;
  await store.retention.hold({ label: held, reason: 'a test', atMs: nowMs, runId: 'fill' });
  return { configFile, repositoryDir, held, newest: backups[0]!.label };
}

/** Backups that each store one segment more, in two pieces and the whole of them. */
async function fillTimeline(
  store: Store,
  { timeline, before, firstMs }: { timeline: string; before: readonly ManifestSegment[]; firstMs: number },
): Promise<ManifestSegment[]> {
  const segments = [...before];
  for (let serial = 0; serial < BACKUPS; serial += 1) {
    segments.push(await fillSegment(store, timeline, before.length + serial + 1));
    await store.backups.put(manifestOf({ timeline, segments: [...segments], atMs: firstMs + serial * DAY_MS }));
  }
  return segments;
}

async function fillSegment(store: Store, timeline: string, number: number): Promise<ManifestSegment> {
  const segment = makeSegmentId(number)!;
  const records = [orderRecord(`${timeline}-${number}-a`), orderRecord(`${timeline}-${number}-b`)];
  const bytes = Buffer.concat(records);
  const cutBytes = records[0]!.length;
  const { signal } = new AbortController();
  const ranges: ManifestRange[] = [];
  for (const [startBytes, endBytes] of [
    [0, cutBytes],
    [cutBytes, bytes.length],
    [0, bytes.length],
  ] as const) {
    const source = {
      startBytes,
      targetBytes: endBytes,
      isExact: true,
      signal,
      bytes: () => Readable.from([bytes.subarray(startBytes, endBytes)]),
    };
    const { sha256, records: count } = await storeBytes({ store, timeline, runId: 'fill' }, segment, source);
    // Odd ones name the whole, so that nothing names the parts.
    const isNamed = (startBytes === 0 && endBytes === bytes.length) === (number % 2 === 1);
    if (isNamed) ranges.push({ timeline, startBytes, endBytes, sha256, records: count });
  }
  return { segment, ranges };
}

function manifestOf({ timeline, segments, atMs }: { timeline: string; segments: ManifestSegment[]; atMs: number }): Manifest {
  return {
    ...{
      format: 1,
      label: backupLabel(atMs, 'hot', 1),
      kind: 'hot',
      database: DATABASE,
      timeline,
      runId: `fill-${atMs}`,
      workflowId: 'fill',
    },
    ...{ createdAtMs: atMs, writtenAtMs: atMs, serverVersion: '0.3.0', ownership: { uid: 0, gid: 0, folderMode: 448, fileMode: 384 } },
    ...{
      segments,
      records: 2 * segments.length,
      machines: 1,
      instances: 2 * segments.length,
      stateDigest: 'ab'.repeat(32),
      bytesStored: 1,
    },
    ...{ restorable: 'from-log', comparison: null, pin: 'links', attachments: [], warnings: [] },
  };
}

/** Its result, or undefined if it was killed before it had ended. */
async function expire(
  configFile: string,
  days: number,
  killedWhen?: (hasEnded: () => boolean) => Promise<void>,
): Promise<ExpireBackupsResult | undefined> {
  const child = spawn(process.execPath, [EXPIRE_MAIN, configFile, String(days)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const output: string[] = [];
  const hasEnded = once(child, 'close');
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
  if (killedWhen !== undefined) {
    await Promise.race([once(child.stdout, 'data'), hasEnded]);
    await killedWhen(() => child.exitCode !== null);
    child.kill('SIGKILL');
  }
  await hasEnded;
  const [, line] = output.join('').split('\n');
  if (child.signalCode !== null) return undefined;
  if (child.exitCode !== 0 || line === undefined) throw new Error(`the run failed: ${output.join('')}`);
  return JSON.parse(line) as ExpireBackupsResult;
}

async function countsOf({ repositoryDir }: ExpiryScene): Promise<Counts> {
  const trash = await readdir(join(repositoryDir, 'trash'), { recursive: true }).catch(() => []);
  const log = await readdir(join(repositoryDir, 'databases', DATABASE, 'wal'), { recursive: true });
  const moved = trash.filter((name) => name.endsWith('/manifest.json')).length;
  return { moved, deletable: moved + log.filter((name) => name.includes('.zst')).length };
}

/** Every backup that is listed has all of its log, and so have the held one and the newest. */
async function brokenPromises({ configFile, held, newest }: ExpiryScene): Promise<string[]> {
  const store = await (await localDeps(configFile)).openStore(DATABASE);
  const broken: string[] = [];
  const labels = (await store.backups.history()).backups.map(({ label }) => label);
  for (const needed of [held, newest]) if (!labels.includes(needed)) broken.push(`${needed} is gone`);
  for (const label of labels) {
    const manifest = await store.backups.readable(label);
    if (manifest === undefined) continue;
    await store.pieces.plan(manifest).catch((error: unknown) => broken.push(`${label}: ${String(error)}`));
  }
  const log = await store.pieces.of('0002');
  for (const number of Array.from({ length: FORK + BACKUPS }, (_, index) => index + 1)) {
    if (!log.some(({ segment }) => segment === number)) broken.push(`the log in use lacks segment ${number}`);
  }
  return broken;
}

/** What no backup needs any more, after all runs. */
async function leftOvers({ configFile, repositoryDir, held, newest }: ExpiryScene): Promise<string[]> {
  const store = await (await localDeps(configFile)).openStore(DATABASE);
  const left: string[] = [];
  const { backups } = await store.backups.history();
  for (const { label } of backups) if (![held, newest].includes(label)) left.push(`backup ${label} is left`);
  const heldManifest = await store.backups.read(held);
  const named = new Set(heldManifest.segments.map(({ segment }) => segment));
  const names = await readdir(repositoryDir, { recursive: true });
  for (const name of names) {
    const piece = parsePieceKey(`/${name}`);
    if (piece?.timeline === '0001' && piece.segment > FORK && !named.has(piece.segment)) left.push(`${name} is left`);
    if (name.startsWith('trash/') && name.endsWith('manifest.json')) left.push(`${name} is left`);
  }
  // Of odd segments nothing names the parts: the whole one alone stays.
  for (const [segment, pieces] of Map.groupBy(
    names.flatMap((name) => parsePieceKey(`/${name}`) ?? []),
    (piece) => `${piece.timeline}/${piece.segment}`,
  )) {
    if (Number(segment.slice(5)) % 2 === 1 && pieces.length !== 1) left.push(`${segment} has ${pieces.length} pieces`);
  }
  return left;
}
