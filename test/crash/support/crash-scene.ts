/** A database whose log has several segments and one backup, and an agent that may be killed and followed by the next. */
import type { HotBackupResult } from '../../../src/contract/hot-backup.ts';
import { liveDigest } from '../../../src/replay/live-digest.ts';
import type { AgentProcess } from '../../support/agent-process.ts';
import { DATABASE, type DatabaseStack, type StackOptions } from '../../support/database-stack.ts';
import { type AcknowledgedWrite, startLoadWriters } from '../../support/load-writers.ts';
import { openScene, type Scene, type SharedServices } from '../../support/scene.ts';

/** Fill two segments of 1 MiB and begin a third. */
const FIRST_WRITES = 3500;
const WRITERS = 8;
/** With more of them writers race to rotate the log, and any start takes acknowledged changes back (docs/recovery.md). */
const ONE_THREAD = { TOKIO_WORKER_THREADS: '1' };

/** Of a hook that opens a scene, on a busy machine. */
export const SET_UP_TIMEOUT_MS = 120_000;

export type CrashScene = Scene & {
  /** What the newest backup holds when the scene is opened; the live state has more. */
  backup: HotBackupResult;
  /** The agent that runs now. */
  currentAgent: () => AgentProcess;
  /** The next agent, as a service manager would start it. */
  startNextAgent: () => Promise<AgentProcess>;
  /** New orders; `prefix` must be new. Gives what the server acknowledged. */
  write: (prefix: string, count: number) => Promise<AcknowledgedWrite[]>;
  digest: () => Promise<string>;
};

export async function openCrashScene(shared: SharedServices, options: Partial<StackOptions> = {}): Promise<CrashScene> {
  const timing = { serverRequestMs: 2000, ...options.timing };
  const serverEnv = { ...ONE_THREAD, ...options.serverEnv };
  const scene = await openScene(shared, { segmentSizeMb: 1, ...options, timing, serverEnv });
  try {
    await writeOrders(scene.stack, 'first', FIRST_WRITES);
    const backup = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    await writeOrders(scene.stack, 'later', 50);
    return crashSceneOn(scene, backup);
  } catch (error) {
    await scene.close();
    throw error;
  }
}

/** A scene whose agent may be killed: `agent` is that of `stack.configFile`. */
export function crashSceneOn(scene: Scene, backup: HotBackupResult): CrashScene {
  const { stack } = scene;
  let current = scene.agent;
  return {
    ...scene,
    backup,
    currentAgent: () => current,
    startNextAgent: async () => (current = await scene.startAgent(stack.configFile)),
    write: (prefix, count) => writeOrders(stack, prefix, count),
    digest: async () => (await liveDigest(stack.settings, stack.config.timing, new AbortController().signal)).stateDigest,
  };
}

async function writeOrders({ address }: DatabaseStack, prefix: string, count: number): Promise<AcknowledgedWrite[]> {
  const load = await startLoadWriters({ address, writers: WRITERS, prefix });
  await load.acknowledgedAtLeast(count);
  return (await load.stop()).acknowledged;
}
