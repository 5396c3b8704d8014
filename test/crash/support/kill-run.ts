/** Runs a workflow whose agent, or whoever else, is killed at given points, each time followed by the next one. */
import { setImmediate as yieldToEvents, setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { CommonResult } from '../../../src/contract/result.ts';
import type { DatabaseStack } from '../../support/database-stack.ts';
import type { TestClient } from '../../support/run-workflow.ts';
import type { CrashScene } from './crash-scene.ts';
import { inodeOf, isServerBlocked, type KillPoint, pieceFiles, type WatchedRun } from './kill-point.ts';
import { changedPieces, type PieceStamps, pieceStamps } from './piece-stamps.ts';

const POLL_MS = 2;
/** Without a pause, but so that other work of this process gets its turn. */
const SPIN_MS = 20;
const REACH_TIMEOUT_MS = 60_000;
const DESCRIBE_POLL_MS = 15;
const NO_INODE = 0;

export type KillRun = {
  type: string;
  input: Record<string, unknown>;
  /** In the order in which the run passes them. */
  points: readonly KillPoint[];
  /** The agent where absent. */
  victim?: Victim;
};

/** Who is killed at each point. */
export type Victim = {
  /** Is struck before this returns, and dead when it fulfils. */
  kill: () => Promise<unknown>;
  /** The next one, as a service manager would start it. */
  revive: (run: StartedRun) => Promise<unknown>;
};

export type KilledRun<Result> = {
  result: Result;
  runId: string;
  /** When the last of those that were killed was back. */
  revivedAtMs: number;
  /** What a server would have found at each kill. */
  walAtKills: WalAtKill[];
  /** Pieces that were complete at a kill and were not left alone after it. */
  changedPieces: string[];
};

/** The run has passed the point between two looks. */
class UnseenPoint extends Error {
  constructor(pointName: string) {
    super(`the run has ended before it was seen where ${pointName}`);
  }
}

/** `nothing`: on a host that had none before either. */
export type WalAtKill = 'nothing' | 'old' | 'new' | 'refuses' | 'something else';

/** Starts the run, kills the victim at each point, starts the next one, and waits for the same run's end. */
export async function runWithKills<Result extends CommonResult>(scene: CrashScene, killRun: KillRun): Promise<KilledRun<Result>> {
  const { stack } = scene;
  const run = await startWatchedRun(scene, killRun);
  const victim = killRun.victim ?? agentOf(scene);
  const walAtKills: WalAtKill[] = [];
  const stamps: PieceStamps[] = [];
  for (const point of killRun.points) {
    await run.reach(point);
    const dead = victim.kill();
    walAtKills.push(whatAServerFinds(stack, run.oldInode));
    await dead;
    stamps.push(pieceStamps(stack));
    await victim.revive(run);
  }
  const revivedAtMs = Date.now();
  const result = (await run.handle.result()) as Result;
  return { result, runId: run.runId, revivedAtMs, walAtKills, changedPieces: stamps.flatMap((before) => changedPieces(stack, before)) };
}

function agentOf(scene: CrashScene): Victim {
  return { kill: () => scene.currentAgent().kill('SIGKILL'), revive: () => scene.startNextAgent() };
}

/** A point of a few microseconds may pass unseen, above all on a busy machine: then the whole is done again. */
const ATTEMPTS_MAX = 4;

/** The first killing that saw all of its points. */
export async function untilSeen<T>(killing: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await killing(attempt);
    } catch (error) {
      if (!(error instanceof UnseenPoint) || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

export type StartedRun = Omit<WatchedRun, 'activity'> & {
  handle: WorkflowHandle;
  /** Throws where the run has passed the point unseen, or never comes to it. */
  reach: (point: KillPoint) => Promise<void>;
};

export async function startWatchedRun(scene: CrashScene, { type, input }: Pick<KillRun, 'type' | 'input'>): Promise<StartedRun> {
  const { stack } = scene;
  const piecesBefore = new Set(pieceFiles(stack));
  const oldInode = inodeOf(stack.walDir) ?? NO_INODE;
  const handle = await scene.temporal.start(type, input);
  const { runId } = await handle.describe();
  const run = { stack, runId, piecesBefore, oldInode };
  return { ...run, handle, reach: (point) => reach(run, { handle, temporal: scene.temporal }, point) };
}

/** By the wal/ in place, its inode, and the file that keeps every server from starting. */
function whatAServerFinds(stack: DatabaseStack, oldInode: number): WalAtKill {
  const inode = inodeOf(stack.walDir);
  if (isServerBlocked(stack)) return 'refuses';
  if (inode === undefined) return oldInode === NO_INODE ? 'nothing' : 'something else';
  return inode === oldInode ? 'old' : 'new';
}

type Asked = { handle: WorkflowHandle; temporal: TestClient };

async function reach(run: Omit<WatchedRun, 'activity'>, { handle, temporal }: Asked, point: KillPoint): Promise<void> {
  const seen: Seen = { activity: undefined, hasEnded: false, isEnough: false };
  temporal.inBackground(look(handle, seen));
  try {
    await comesTo(point, { ...run, activity: () => seen.activity }, seen);
  } finally {
    // Not waited for: whoever kills at the point must not come late.
    seen.isEnough = true;
  }
}

type Seen = { activity: string | undefined; hasEnded: boolean; isEnough: boolean };

/** Asks Temporal again and again what the run does. */
async function look(handle: WorkflowHandle, seen: Seen): Promise<void> {
  while (!seen.isEnough) {
    const description = await handle.describe().catch(() => undefined);
    const pending = description?.raw.pendingActivities?.find(({ lastStartedTime }) => Boolean(lastStartedTime));
    seen.activity = pending?.activityType?.name ?? undefined;
    seen.hasEnded = description !== undefined && description.status.name !== 'RUNNING';
    await sleep(DESCRIBE_POLL_MS);
  }
}

async function comesTo(point: KillPoint, run: WatchedRun, seen: Seen): Promise<void> {
  const deadlineMs = Date.now() + REACH_TIMEOUT_MS;
  for (;;) {
    const spinUntilMs = Date.now() + (point.isFast === true ? SPIN_MS : 0);
    do {
      if (point.reached(run)) return;
    } while (Date.now() < spinUntilMs);
    if (seen.hasEnded) throw new UnseenPoint(point.name);
    if (Date.now() > deadlineMs) throw new Error(`the run did not come to where ${point.name}`);
    await (point.isFast === true ? yieldToEvents() : sleep(POLL_MS));
  }
}
