/**
 * `node scripts/evidence/expiry.ts [kills]`: backups of a real server, of a history that was left and of the one in use, expire through Temporal,
 * and the agent is killed 50 times at random; docs/evidence.md keeps the outcome. Needs rstmdb and temporal on PATH.
 */
import { cp, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExpireBackupsResult } from '../../src/contract/expire-backups.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import { expiredOfKey } from '../../src/core/repository/object-keys.ts';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import { boundActivities } from '../../src/local/local-run.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import { localEngine } from '../../src/local/local-engine.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { hotBackup } from '../../src/workflows/hot-backup.ts';
import { restore } from '../../src/workflows/restore.ts';
import type { Engine } from '../../src/workflows/engine.ts';
import type { WorkflowType } from '../../src/contract/workflow-types.ts';
import { type AgentProcess, startAgent } from '../../test/support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../test/support/database-stack.ts';
import { newRun } from '../../test/support/direct-backup.ts';
import { fallOf, type KillFalls } from '../../test/support/kill-falls.ts';
import { writeOrders } from '../../test/support/odd-source.ts';
import { connectTestClient, type TestClient } from '../../test/support/run-workflow.ts';
import { startTemporalServer } from '../../test/support/temporal-server.ts';
import { workflowBundleCode } from '../../test/support/workflow-bundle.ts';

const [kills = '50'] = process.argv.slice(2);

/** Of each history. */
const BACKUPS = 30;
const FORK = 4;
const HELD = 12;
/** After so many kills real servers are started on what is left; each time it is checked whether all is there. */
const TESTED_EACH = 10;
const DAY_MS = 86_400_000;
/** The first history was left long enough ago that no rule wants its log. */
const [FIRST_DAY, FORK_DAY, SECOND_DAY] = [120, 90, 89];
/** Other work on the machine goes before this one's: so long may the next agent take to be there, and a run waits for it. */
const AGENT_START_MS = 600_000;
/** Kills beside the work show nothing: at least so many of each have to fall within it. */
const SHARE_WITHIN = 0.6;

type Scene = {
  stack: DatabaseStack;
  client: TestClient;
  workflowBundlePath: string;
  /** The repository as it is before anything has expired. */
  template: string;
  held: string;
  newest: string;
  /** What a run that nobody kills moves and deletes. */
  going: Counts;
};
/** Manifests in the trash, and those with the files of the log. */
type Counts = { moved: number; deletable: number };

const startedAtMs = Date.now();
const realNow = Date.now.bind(Date);
const folder = await mkdtemp(join(tmpdir(), 'rstow-expiry-'));
const temporal = await startTemporalServer();
const none: KillFalls = { before: 0, within: 0, after: 0 };
const found = { kills: 0, moving: { ...none }, deleting: { ...none }, tested: 0 };
const broken: string[] = [];
try {
  const workflowBundlePath = join(folder, 'workflows.js');
  await writeFile(workflowBundlePath, await workflowBundleCode());
  const timing = { stepGiveUpMs: AGENT_START_MS, transferGiveUpMs: AGENT_START_MS, patienceMs: AGENT_START_MS };
  const stack = await makeDatabaseStack({ temporalAddress: temporal.address, segmentSizeMb: 1, timing });
  const client = await connectTestClient(temporal.address);
  try {
    const scene = await makeScene({ stack, client, workflowBundlePath });
    console.log(
      `${2 * BACKUPS} backups, of which ${scene.going.moved} go, with ${scene.going.deletable - scene.going.moved} files on the second day`,
    );
    while (found.kills < Number(kills)) await killedRound(scene);
  } finally {
    await client.close();
    await stack.remove();
  }
} finally {
  await temporal.stop();
  await rm(folder, { recursive: true, force: true });
}
for (const phase of ['moving', 'deleting'] as const) {
  const { before, within, after } = found[phase];
  if (within < SHARE_WITHIN * (before + within + after)) broken.push(`only ${within} kills fell within the ${phase}`);
}
console.log(JSON.stringify(found));
console.log(`${found.kills} kills, ${broken.length} broken promises, ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
for (const promise of broken.slice(0, 20)) console.log(promise);
process.exitCode = broken.length === 0 ? 0 : 1;

async function makeScene(of: Pick<Scene, 'stack' | 'client' | 'workflowBundlePath'>): Promise<Scene> {
  const { stack } = of;
  const deps = await localDeps(stack.configFile);
  clockBehind(FIRST_DAY);
  await databaseOwnership(deps, DATABASE);
  const recipe = <Result>(type: WorkflowType, ageDays: number, run: (engine: Engine) => Promise<Result>): Promise<Result> => {
    const port = newRun();
    clockBehind(ageDays);
    return run(localEngine({ type, database: DATABASE, runId: port.runId, verbs: boundActivities(deps, port), phase: () => undefined }));
  };
  const backUp = async (ageDays: number): Promise<string> => {
    await writeOrders(stack.address, 5, `day-${ageDays}`);
    return (await recipe('hotBackup', ageDays, (engine) => hotBackup({ database: DATABASE }, engine))).label ?? 'no label';
  };
  const first: string[] = [];
  for (let serial = 0; serial < BACKUPS; serial += 1) first.push(await backUp(FIRST_DAY - serial * 0.9));
  await recipe('restore', FORK_DAY, (engine) => restore({ database: DATABASE, backup: first[FORK] as string }, engine));
  let newest = '';
  for (let serial = 0; serial < BACKUPS; serial += 1) newest = await backUp(SECOND_DAY - serial * 0.9);
  clockBehind(0);
  const held = first[HELD] as string;
  await (await deps.openStore(DATABASE)).retention.hold({ label: held, reason: 'evidence', atMs: Date.now(), runId: 'evidence' });
  await makeOld(stack.repositoryDir);
  const template = join(folder, 'template');
  await cp(stack.repositoryDir, template, { recursive: true, preserveTimestamps: true });
  const scene = { ...of, template, held, newest, going: { moved: 0, deletable: 0 } };
  const agent = await agentOf(scene);
  await expire(scene);
  const { moved, deletable } = await countsOf(scene);
  await makeOld(stack.repositoryDir);
  await expire(scene);
  await agent.kill();
  await checkEnd(scene);
  return { ...scene, going: { moved, deletable: deletable - (await countsOf(scene)).deletable } };
}

function clockBehind(days: number): void {
  Date.now = () => realNow() - days * DAY_MS;
}

function agentOf({ stack, workflowBundlePath }: Pick<Scene, 'stack' | 'workflowBundlePath'>): Promise<AgentProcess> {
  return startAgent({ configFile: stack.configFile, workflowBundlePath, startTimeoutMs: AGENT_START_MS });
}

function expire({ client }: Pick<Scene, 'client'>): Promise<ExpireBackupsResult> {
  return client.execute<ExpireBackupsResult>('expireBackups', { database: DATABASE, apply: true });
}

/** As if two days had gone by: for the times of files, and for what has expired. */
async function makeOld(repositoryDir: string): Promise<void> {
  const old = new Date(Date.now() - 2 * DAY_MS);
  for (const name of await readdir(repositoryDir, { recursive: true })) await utimes(join(repositoryDir, name), old, old);
  for (const name of await readdir(join(repositoryDir, 'trash')).catch(() => [])) {
    const older = name.replace(/^expired-([0-9]{13})/, (_, atMs: string) => `expired-${Number(atMs) - 2 * DAY_MS}`);
    await rename(join(repositoryDir, 'trash', name), join(repositoryDir, 'trash', older));
  }
}

/** The agent is killed while manifests move, and two days later while the rest is deleted; then nobody kills it any more. */
async function killedRound(scene: Scene): Promise<void> {
  const { stack, going } = scene;
  await rm(stack.repositoryDir, { recursive: true });
  await cp(scene.template, stack.repositoryDir, { recursive: true, preserveTimestamps: true });
  const second = await killedOnce(scene, await agentOf(scene), { phase: 'moving', whole: going.moved, doneOf: ({ moved }) => moved });
  await makeOld(stack.repositoryDir);
  const { deletable: start } = await countsOf(scene);
  const doneOf = ({ deletable }: Counts): number => start - deletable;
  const agent = await killedOnce(scene, second, { phase: 'deleting', whole: going.deletable, doneOf });
  await makeOld(stack.repositoryDir);
  for (let run = 0; run < 2; run += 1) await expire(scene);
  await checkEnd(scene);
  for (const backup of [scene.held, scene.newest]) {
    if (found.kills % TESTED_EACH !== 0) break;
    const { outcome } = await scene.client.execute<TestRecoveryResult>('testRecovery', { database: DATABASE, backup });
    if (outcome !== 'done') broken.push(`the test of ${backup} ended as ${outcome}`);
    found.tested += 1;
  }
  await agent.kill('SIGKILL');
}

type Work = { phase: 'moving' | 'deleting'; whole: number; doneOf: (counts: Counts) => number };

/** Kills the agent at a random share of the work, starts another one, which is given, and waits for the same run. */
async function killedOnce(scene: Scene, agent: AgentProcess, work: Work): Promise<AgentProcess> {
  const { client } = scene.client;
  const run = await scene.client.start('expireBackups', { database: DATABASE, apply: true });
  const watching = new AbortController();
  const ended = { is: false };
  const result = client.withAbortSignal(watching.signal, () => run.result()).finally(() => (ended.is = true));
  result.catch(() => undefined);
  try {
    await killedAmid(scene, agent, { ...work, hasEnded: () => ended.is });
    const next = await agentOf(scene);
    await result;
    await checkBackups(scene);
    return next;
  } finally {
    // One that is tried again on a closed connection would end the process, and hide why.
    watching.abort();
    await Promise.allSettled([result]);
  }
}

async function killedAmid(
  scene: Scene,
  agent: AgentProcess,
  { phase, whole, doneOf, hasEnded }: Work & { hasEnded: () => boolean },
): Promise<void> {
  const killedAt = Math.ceil(Math.random() * (whole - 1));
  while (!hasEnded() && doneOf(await countsOf(scene)) < killedAt) await sleep(1);
  await agent.kill('SIGKILL');
  const counts = await countsOf(scene);
  const fall = fallOf(doneOf(counts), whole);
  found.kills += 1;
  found[phase][fall] += 1;
  const left = `${counts.moved} manifests in the trash, ${counts.deletable - counts.moved} files left`;
  console.log(`kill ${found.kills}, ${fall} ${phase}: ${left}; ${broken.length} broken promises by now`);
  await checkBackups(scene);
}

async function countsOf({ stack: { repositoryDir } }: Pick<Scene, 'stack'>): Promise<Counts> {
  const trash = await readdir(join(repositoryDir, 'trash'), { recursive: true }).catch(() => []);
  const files = await readdir(join(repositoryDir, 'databases', DATABASE, 'wal'), { recursive: true });
  const moved = trash.filter((name) => expiredOfKey(`trash/${name}`) !== undefined).length;
  return { moved, deletable: moved + files.filter((name) => name.includes('.zst')).length };
}

/** Every backup that is listed has all of its log, and the held one and the newest are listed. */
async function checkBackups({ stack, held, newest }: Scene): Promise<string[]> {
  const store = await (await localDeps(stack.configFile)).openStore(DATABASE);
  const labels = (await store.backups.history()).backups.map(({ label }) => label);
  for (const needed of [held, newest]) if (!labels.includes(needed)) broken.push(`${needed} is gone`);
  for (const label of labels) {
    const manifest = await store.backups.readable(label);
    if (manifest !== undefined) await store.pieces.plan(manifest).catch((error: unknown) => broken.push(`${label}: ${String(error)}`));
  }
  return labels;
}

/** Nothing is left but the held backup and the newest, and what they and the history in use need. */
async function checkEnd(scene: Scene): Promise<void> {
  const { stack, held, newest } = scene;
  const labels = await checkBackups(scene);
  for (const label of labels) if (![held, newest].includes(label)) broken.push(`backup ${label} is left`);
  const store = await (await localDeps(stack.configFile)).openStore(DATABASE);
  const { segments } = await store.backups.read(held);
  const forkBytes = new Map((await store.timelines.all()).get('0002')?.parent?.extents.map(({ segment, endBytes }) => [segment, endBytes]));
  const names = await readdir(stack.repositoryDir, { recursive: true });
  for (const name of names) {
    if (name.startsWith('trash/') && name.endsWith('manifest.json')) broken.push(`${name} is left`);
    const label = /\/(?:backups|facts|index\/[0-9]+)\/.*?([0-9]{8}T[0-9]{6}Z-hot[^/.]*)/.exec(name)?.[1];
    if (label !== undefined && ![held, newest].includes(label) && name.endsWith('.json')) broken.push(`${name} is left`);
    const piece = parsePieceKey(name);
    if (piece?.timeline !== '0001' || piece.startBytes < (forkBytes.get(piece.segment) ?? 0)) continue;
    const ranges = segments.find(({ segment }) => segment === piece.segment)?.ranges ?? [];
    const isNamed = ranges.some(
      (range) => range.timeline === '0001' && range.startBytes < piece.endBytes && piece.startBytes < range.endBytes,
    );
    if (!isNamed) broken.push(`${name} is left`);
  }
}
