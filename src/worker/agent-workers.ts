import { Worker, type WorkerOptions } from '@temporalio/worker';
import { type Activities, createActivities } from '../activities/activities.ts';
import type { ActivityDeps } from '../activities/activity-deps.ts';
import {
  agentQueue,
  ANY_QUEUE,
  buildIdOf,
  CONTRACT_NUMBER,
  databaseQueue,
  DEPLOYMENT_NAME,
  SLOT_KINDS,
  type SlotKind,
  slotQueue,
  standbyQueue,
  WORKFLOW_QUEUE,
} from '../contract/names.ts';
import { allEnded } from '../store/small-batches.ts';
import type { Polling } from './current-contract.ts';
import { moveRun } from './temporal/run-registry.ts';
import type { TemporalConnection } from './temporal/connection.ts';
import { WORKFLOWS_PATH } from './workflow-bundle.ts';

export type AgentWorkers = {
  /** Rejects when a worker ends by itself: an agent that serves half of its queues must not look alive. */
  failed: Promise<never>;
  /** Starts or stops answering for a database. Twice: no-op. */
  serveDatabase(database: string, isOwned: boolean): Promise<void>;
  /** Lets each worker finish, within the grace time. */
  stop(): Promise<void>;
};

export type AgentWorkersOptions = {
  temporal: TemporalConnection;
  deps: ActivityDeps;
  /** As the agent calls itself to Temporal. */
  identity: string;
  /** Of a bundle built before; built now, in memory, where absent. */
  workflowBundlePath: string | undefined;
  polling: Polling;
};

/**
 * Runs of one host copy gigabytes side by side: more at once only makes each slower. Steps take moments, so many fit. Each database
 * has an archive.
 */
const SLOTS: Record<SlotKind, number> = { steps: 64, transfers: 4, checks: 2, recoveries: 2, archive: 1_000 };
/** While an agent answers to its name, another question reaches the other agent of that name, should there be one. */
const NAMED_SLOTS = 1;
const CACHED_WORKFLOWS_MAX = 50;
const HEARTBEAT_THROTTLE_MAX_MS = 500;

type RunningWorker = { stop(): Promise<void> };

/** Polls every queue that this installation serves, on one connection; databases come and go with their ownership. */
export async function startAgentWorkers(options: AgentWorkersOptions): Promise<AgentWorkers> {
  const { failed, start, end, stop } = createWorkerPool(options);
  const activities = createActivities(options.deps);
  try {
    await startOwnQueues(options, activities, start);
  } catch (error) {
    await stop();
    throw error;
  }
  const databases = new Map<string, RunningWorker>();
  return {
    failed,
    stop,
    serveDatabase: async (database, isOwned) => {
      const serving = databases.get(database);
      if (isOwned && serving === undefined) {
        const { locateDatabase } = activities;
        databases.set(database, await start({ taskQueue: databaseQueue(database), activities: { locateDatabase } }));
      } else if (!isOwned && serving !== undefined) {
        databases.delete(database);
        await end(serving);
      }
    },
  };
}

type StartWorker = (worker: Partial<WorkerOptions> & { taskQueue: string }) => Promise<RunningWorker>;

type WorkerPool = {
  /** Rejects when a worker ends by itself. */
  failed: Promise<never>;
  start: StartWorker;
  end: (worker: RunningWorker) => Promise<void>;
  stop: () => Promise<void>;
};

/** The workers of one connection: it can't be closed before each of them has ended, one included that is only being made. */
function createWorkerPool(options: AgentWorkersOptions): WorkerPool {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  const running = new Set<RunningWorker>();
  let isStopping = false;
  return {
    failed,
    start: async (worker) => {
      const started = runWorker(await Worker.create({ ...commonOptions(options), ...worker }), reject);
      running.add(started);
      if (isStopping) await started.stop();
      return started;
    },
    end: async (worker) => {
      running.delete(worker);
      await worker.stop();
    },
    stop: async () => {
      isStopping = true;
      await Promise.all([...running].map((worker) => worker.stop()));
    },
  };
}

/** All that the agent serves whichever databases it owns. */
async function startOwnQueues(options: AgentWorkersOptions, activities: Activities, start: StartWorker): Promise<void> {
  const { agent, config } = options.deps;
  const { locateAgent, locateAnyAgent, knowDatabase, locateStandby } = activities;
  const standby = Object.entries(config.databases).filter(([, settings]) => settings.standby);
  await allEnded([
    start({ taskQueue: WORKFLOW_QUEUE, ...workflowOptions(options) }),
    start({ taskQueue: ANY_QUEUE, activities: { locateAnyAgent, knowDatabase } }),
    start({ taskQueue: agentQueue(agent.name), activities: { locateAgent }, maxConcurrentActivityTaskExecutions: NAMED_SLOTS }),
    ...SLOT_KINDS.map((kind) =>
      start({ taskQueue: slotQueue(agent.installationId, kind), activities, maxConcurrentActivityTaskExecutions: SLOTS[kind] }),
    ),
    ...standby.map(([database]) => start({ taskQueue: standbyQueue(database), activities: { locateStandby } })),
  ]);
}

function commonOptions({ temporal, deps, identity }: AgentWorkersOptions): Omit<WorkerOptions, 'taskQueue'> {
  const throttleMs = Math.max(50, Math.min(HEARTBEAT_THROTTLE_MAX_MS, Math.floor(deps.config.timing.heartbeatMs / 8)));
  return {
    connection: temporal.connection,
    namespace: temporal.namespace,
    identity,
    maxHeartbeatThrottleInterval: throttleMs,
    defaultHeartbeatThrottleInterval: throttleMs,
    maxConcurrentActivityTaskPolls: 2,
    shutdownGraceTime: '2s',
    shutdownForceTime: '20s',
  };
}

/** Runs are pinned to the contract that they began with. The other queues need no versions: those that carry steps have the contract in their names. */
function workflowOptions({ temporal, workflowBundlePath: codePath, polling }: AgentWorkersOptions): Partial<WorkerOptions> {
  const code = codePath === undefined ? { workflowsPath: WORKFLOWS_PATH } : { workflowBundle: { codePath } };
  const version = { deploymentName: DEPLOYMENT_NAME, buildId: buildIdOf(CONTRACT_NUMBER) };
  return {
    ...code,
    workerDeploymentOptions:
      polling === 'versioned'
        ? { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' }
        : { version, useWorkerVersioning: false },
    // Of the workflows' own tasks: nobody else's activity is taken from this queue.
    activities: { moveRun: moveRun(temporal) },
    enableNonLocalActivities: false,
    stickyQueueScheduleToStartTimeout: '1s',
    maxCachedWorkflows: CACHED_WORKFLOWS_MAX,
    maxConcurrentWorkflowTaskPolls: 4,
  };
}

function runWorker(worker: Worker, onFailure: (error: unknown) => void): RunningWorker {
  const run = worker.run();
  run.catch(onFailure);
  return {
    stop: async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await run.catch(() => undefined);
    },
  };
}
