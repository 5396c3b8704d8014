/** A database whose log an agent archives as in production: its own config of the archive, its timing, its memory settings. */
import { setTimeout as sleep } from 'node:timers/promises';
import { archivePinFolder } from '../../src/io/data-directory/pins.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import { compactNow, COUNTER_MACHINE } from './compactable-log.ts';
import { withClient } from './odd-source.ts';
import { openSceneWithoutAgent, type Scene, type SharedServices } from './scene.ts';
import type { StackOptions } from './database-stack.ts';
import { waitUntil } from './wait-until.ts';

/** As bin/rstow starts one. */
const PRODUCTION = { MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=4 --v8-pool-size=1' };

export type ArchivedHost = Omit<Scene, 'agent' | 'startAgent'> & {
  /** The next agent; `close` ends it. Returns when it polls its queues. */
  startNextAgent: () => Promise<AgentProcess>;
  currentAgent: () => AgentProcess;
};

/** Returns when the log is being followed. */
export async function openArchivedHost(shared: SharedServices, options: Partial<StackOptions> = {}): Promise<ArchivedHost> {
  const { database, timing } = options;
  const scene = await openSceneWithoutAgent(shared, {
    segmentSizeMb: 4,
    ...options,
    database: { archive: {}, ...database },
    timing: { heartbeatMs: 30_000, ...timing },
  });
  const bundle = shared.workflowBundlePath === undefined ? {} : { workflowBundlePath: shared.workflowBundlePath };
  const startNextAgent = async (): Promise<AgentProcess> => startAgent({ configFile: scene.stack.configFile, env: PRODUCTION, ...bundle });
  await withClient(scene.stack.address, (client) => putMachine(client, COUNTER_MACHINE));
  let current = await startNextAgent();
  const host: ArchivedHost = {
    ...scene,
    currentAgent: () => current,
    startNextAgent: async () => (current = await startNextAgent()),
    close: async () => {
      await current.kill('SIGKILL');
      await scene.close();
    },
  };
  try {
    await waitUntil('the log is followed', () => isFollowed(host));
    return host;
  } catch (error) {
    const log = current.logText();
    await host.close();
    throw new Error(`the archive doesn’t follow; the agent’s log ends:\n${log.slice(-3000)}`, { cause: error });
  }
}

async function isFollowed({ stack }: ArchivedHost): Promise<boolean> {
  const pins = await listSegments(archivePinFolder(stack.dataDir, '0001'));
  return pins !== undefined && pins.length > 0;
}

export type Compactor = { segmentsDeleted: () => number; compactions: () => number; stop: () => Promise<void> };

/** Forces a COMPACT each so often while it may, until `stop`. A server that is away is left alone. */
export function startCompactor(address: string, everyMs: number, mayCompact: () => boolean = () => true): Compactor {
  const stopping = new AbortController();
  const sum = { segmentsDeleted: 0, compactions: 0 };
  const running = (async () => {
    for (;;) {
      await sleep(everyMs, undefined, { signal: stopping.signal });
      if (!mayCompact()) continue;
      const done = await compactNow({ address }).catch(unlessAway);
      sum.compactions += done === undefined ? 0 : 1;
      sum.segmentsDeleted += done?.segmentsDeleted ?? 0;
    }
  })().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  running.catch(() => undefined);
  return {
    segmentsDeleted: () => sum.segmentsDeleted,
    compactions: () => sum.compactions,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

function unlessAway(error: unknown): undefined {
  if (!(error instanceof RstowError) || error.code !== 'server-unreachable') throw error;
}
