/**
 * `node scripts/evidence/kill-matrix.ts [hotBackup|coldBackup|restore|undoRestore|rebaseDatabase|verifyBackup|testRecovery|disasterRecovery] [rounds]`: kills the agent at every known
 * point of each kind of run (of a disaster recovery the new host's), one run a point, and checks what CI checks at a few of them; docs/evidence.md keeps the outcome.
 * Needs rstmdb and temporal on PATH.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommonResult } from '../../src/contract/result.ts';
import { type CrashScene, openCrashScene } from '../../test/crash/support/crash-scene.ts';
import {
  COLD_BACKUP_POINTS,
  HOT_BACKUP_POINTS,
  type KillPoint,
  REBASE_POINTS,
  RESTORE_POINTS,
  TEST_RECOVERY_POINTS,
  VERIFY_BACKUP_POINTS,
} from '../../test/crash/support/kill-point.ts';
import { brokenRebasePromises, rebaseWithKills } from '../../test/crash/support/killed-rebase.ts';
import { openBurningHosts } from '../../test/crash/support/killed-recovery.ts';
import { brokenUndoPromises, UNDO_POINTS, undoWithKills } from '../../test/crash/support/killed-undo.ts';
import { type KilledRun, runWithKills, untilSeen } from '../../test/crash/support/kill-run.ts';
import { leftBehind } from '../../test/crash/support/left-behind.ts';
import { RECOVERY_POINTS } from '../../test/crash/support/recovery-point.ts';
import { brokenRecoveryPromises } from '../../test/crash/support/recovery-promises.ts';
import { untiledPieces } from '../../test/crash/support/piece-stamps.ts';
import { DATABASE } from '../../test/support/database-stack.ts';
import { startTemporalServer } from '../../test/support/temporal-server.ts';
import { workflowBundleCode } from '../../test/support/workflow-bundle.ts';

type Kind = { type: string; points: readonly KillPoint[]; ordersBefore: number; expectsFirstBackup: boolean };
type Ended = KilledRun<CommonResult & { stateDigest?: string }>;

const KINDS: readonly Kind[] = [
  { type: 'hotBackup', points: HOT_BACKUP_POINTS, ordersBefore: 3000, expectsFirstBackup: false },
  { type: 'coldBackup', points: COLD_BACKUP_POINTS, ordersBefore: 3000, expectsFirstBackup: false },
  { type: 'restore', points: RESTORE_POINTS, ordersBefore: 20, expectsFirstBackup: true },
  { type: 'verifyBackup', points: VERIFY_BACKUP_POINTS, ordersBefore: 0, expectsFirstBackup: true },
  { type: 'testRecovery', points: TEST_RECOVERY_POINTS, ordersBefore: 0, expectsFirstBackup: true },
];

const [only, rounds = '1'] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'rstow-kill-matrix-'));
const temporal = await startTemporalServer();
let kills = 0;
let broken = 0;
try {
  const workflowBundlePath = join(folder, 'workflows.js');
  await writeFile(workflowBundlePath, await workflowBundleCode());
  for (let round = 1; round <= Number(rounds); round += 1) {
    for (const kind of KINDS.filter(({ type }) => isWanted(type))) await killEverywhere(kind, workflowBundlePath);
    if (isWanted('undoRestore')) await killUndos(workflowBundlePath);
    if (isWanted('rebaseDatabase')) await killRebases(workflowBundlePath);
    if (isWanted('disasterRecovery')) await killNewHosts(workflowBundlePath);
  }
} finally {
  await temporal.stop();
  await rm(folder, { recursive: true, force: true });
}
console.log(`${kills} kills, ${broken} broken promises`);
process.exitCode = broken === 0 ? 0 : 1;

function isWanted(type: string): boolean {
  return only === undefined || type === only;
}

async function killEverywhere(kind: Kind, workflowBundlePath: string): Promise<void> {
  const scene = await openCrashScene({ temporalAddress: temporal.address, workflowBundlePath });
  try {
    for (const [index, point] of kind.points.entries()) {
      await tell(kind.type, point, () => killAt(scene, kind, { point, prefix: `p${index}` }));
    }
  } finally {
    await scene.close();
  }
}

/** A restore loses its agent, then its undo does. */
async function killUndos(workflowBundlePath: string): Promise<void> {
  const scene = await openCrashScene({ temporalAddress: temporal.address, workflowBundlePath });
  try {
    for (const [index, point] of UNDO_POINTS.entries()) {
      await tell('a restore and its undo', point, async () => {
        const killed = await undoWithKills(scene, point, `u${index}`);
        const ended = { walAtKills: [...killed.restored.walAtKills, ...killed.undone.walAtKills] };
        return { ended, sentences: await brokenUndoPromises(scene, killed), told: `the undo: ${killed.undone.result.outcome}` };
      });
    }
  } finally {
    await scene.close();
  }
}

async function killRebases(workflowBundlePath: string): Promise<void> {
  const scene = await openCrashScene({ temporalAddress: temporal.address, workflowBundlePath });
  try {
    for (const [index, point] of REBASE_POINTS.entries()) {
      await tell('rebaseDatabase', point, async () => {
        const killed = await rebaseWithKills(scene, point, `r${index}`);
        const { log, outcome } = killed.rebased.result;
        const told = `the run: ${outcome}, ${log?.before.sizeBytes} bytes of log to ${log?.after.sizeBytes}`;
        return { ended: killed.rebased, sentences: await brokenRebasePromises(scene, killed), told };
      });
    }
  } finally {
    await scene.close();
  }
}

/** Host after host burns, and the agent of the one that takes its place is killed. */
async function killNewHosts(workflowBundlePath: string): Promise<void> {
  const hosts = await openBurningHosts({ temporalAddress: temporal.address, workflowBundlePath });
  try {
    for (const point of RECOVERY_POINTS) {
      await tell('disasterRecovery', point, async () => {
        const recovery = await hosts.recoverWithKills([point]);
        const { rtoMs = 0 } = recovery.killed.result;
        const told = `recovered in ${rtoMs} ms with ${recovery.lost.lostWrites.length} writes lost`;
        return { ended: recovery.killed, sentences: await brokenRecoveryPromises(recovery), told };
      });
    }
  } finally {
    await hosts.close();
  }
}

type Killing = { ended: Pick<KilledRun<CommonResult>, 'walAtKills'>; sentences: string[]; told: string };

async function tell(type: string, point: KillPoint, killing: () => Promise<Killing>): Promise<void> {
  const startedAtMs = performance.now();
  const { ended, sentences, told } = await killing();
  kills += ended.walAtKills.length;
  broken += sentences.length;
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  const verdict = sentences.length === 0 ? 'held' : 'BROKEN';
  console.log(`${verdict}  ${type}, killed where ${point.name}: a server found: ${ended.walAtKills.join()}; ${told} (${seconds} s)`);
  for (const sentence of sentences) console.log(`  ${sentence}`);
}

async function killAt(scene: CrashScene, kind: Kind, at: { point: KillPoint; prefix: string }): Promise<Killing> {
  const input = { database: DATABASE, ...(kind.expectsFirstBackup ? { backup: scene.backup.label } : {}) };
  const ended: Ended = await untilSeen(async (attempt) => {
    if (kind.ordersBefore > 0) await scene.write(`${at.prefix}-${attempt}`, kind.ordersBefore);
    return runWithKills(scene, { type: kind.type, input, points: [at.point] });
  });
  return { ended, sentences: await brokenPromises(scene, kind, ended), told: `the run: ${ended.result.outcome}` };
}

async function brokenPromises(scene: CrashScene, kind: Kind, ended: Ended): Promise<string[]> {
  const { result, runId, walAtKills, changedPieces } = ended;
  const live = await scene.digest();
  const promised = kind.expectsFirstBackup ? scene.backup.stateDigest : live;
  return [
    ...(result.outcome === 'done' && result.runId === runId ? [] : [`run ${runId} ended as ${JSON.stringify(result)}`]),
    ...(result.stateDigest === promised ? [] : [`the run tells the digest ${String(result.stateDigest)}, not ${promised}`]),
    ...(kind.type !== 'restore' || live === promised ? [] : [`the server shows the digest ${live}, not ${promised}`]),
    ...walAtKills.filter((found) => found === 'something else').map(() => 'a server would have found neither data nor refusal'),
    ...changedPieces.map((path) => `${path} was stored twice`),
    ...untiledPieces(scene.stack).map((key) => `${key} overlaps another piece, or leaves a hole`),
    ...(await leftBehind(scene, runId)).map((what) => `left behind: ${what}`),
  ];
}
