/** The real workflows against verbs that only say what they would have done, in a namespace of their own. */
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, Client, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { DefaultLogger, makeTelemetryFilterString, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Activities } from '../../src/activities/activities.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { activityFailure } from '../../src/activities/activity.ts';
import { findLockHolder } from '../../src/activities/catalogue/lock-holder.ts';
import type { RunPort, RunRegistry } from '../../src/activities/run-port.ts';
import type { Place } from '../../src/activities/catalogue/locate.ts';
import {
  agentQueue,
  ANY_QUEUE,
  CONTRACT_NUMBER,
  databaseQueue,
  RSTOW_VERSION,
  runWorkflowId,
  SEARCH_ATTRIBUTES,
  SLOT_KINDS,
  slotQueue,
  standbyQueue,
  WORKFLOW_QUEUE,
} from '../../src/contract/names.ts';
import { createRunRegistry } from '../../src/worker/temporal/run-registry.ts';
import { makeNamespace } from '../support/temporal-namespace.ts';
import { plausibleVerbs, type PlausibleVerbs } from './plausible-verbs.ts';

export const DATABASE = 'orders';
export const AGENT = 'db1';
export const INSTALLATION_ID = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';

export type Call = { verb: string; input: Record<string, unknown> };

export type FakeAgent = {
  client: Client;
  namespace: string;
  /** Every verb that was begun since the last reset, in that order. */
  calls: Call[];
  /** What a test puts here is done instead of the plausible thing, until the next reset. */
  verbs: Partial<Activities>;
  place: Place;
  reset: () => void;
  start: (type: string, ...args: unknown[]) => Promise<WorkflowHandleWithFirstExecutionRunId>;
  execute: <Result>(type: string, ...args: unknown[]) => Promise<Result>;
  stop: () => Promise<void>;
};

const KEYWORD = 2;
const HEARTBEAT_MS = 100;

export type FakeAgentOptions = { temporalAddress: string; workflowBundlePath: string };

/** Failing runs are what many tests are about: their warnings would drown the report. */
function quieten(): void {
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter } } });
}

export async function startFakeAgent({ temporalAddress, workflowBundlePath }: FakeAgentOptions): Promise<FakeAgent> {
  quieten();
  const connection = await NativeConnection.connect({ address: temporalAddress });
  const namespace = await makeNamespace(temporalAddress);
  await addSearchAttributes(connection, namespace);
  const client = new Client({ connection, namespace, identity: 'client' });
  const runs = createRunRegistry({ connection, namespace, clusterId: 'test' });
  const common = { connection, namespace, identity: 'worker', shutdownGraceTime: 100, shutdownForceTime: 5000 };
  const agent: FakeAgent = {
    client,
    namespace,
    calls: [],
    verbs: {},
    place: placeOf(),
    reset: () => void Object.assign(agent, { calls: [], verbs: {}, place: placeOf() }),
    start: (type, ...args) =>
      client.workflow.start(type, { taskQueue: WORKFLOW_QUEUE, workflowId: runWorkflowId(DATABASE, type, randomUUID()), args }),
    execute: async <Result>(type: string, ...args: unknown[]) => (await (await agent.start(type, ...args)).result()) as Result,
    stop: () => stop(),
  };
  const lockHolder = findLockHolder({ runs } as unknown as ActivityDeps);
  const plausible = plausibleVerbs({ place: () => agent.place, findLockHolder: (input) => lockHolder(input, askingRun(runs)) });
  const ofInstallation = SLOT_KINDS.map((kind) => slotQueue(INSTALLATION_ID, kind));
  const queues = [databaseQueue(DATABASE), ANY_QUEUE, standbyQueue(DATABASE), agentQueue(AGENT), ...ofInstallation];
  const workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: WORKFLOW_QUEUE,
      workflowBundle: { codePath: workflowBundlePath },
      activities: { moveRun: refuseToMove },
      enableNonLocalActivities: false,
      stickyQueueScheduleToStartTimeout: '1s',
    }),
    ...queues.map((taskQueue) =>
      Worker.create({ ...common, taskQueue, activities: recorded(agent, plausible), maxHeartbeatThrottleInterval: HEARTBEAT_MS }),
    ),
  ]);
  const running = workers.map((worker) => worker.run());
  const stop = async (): Promise<void> => {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
    await connection.close();
  };
  return agent;
}

/** The run of the activity that calls this. */
function askingRun(runs: RunRegistry): Pick<RunPort, 'workflowId' | 'checkOpen'> {
  const { workflowId, runId } = Context.current().info.workflowExecution ?? { workflowId: '', runId: '' };
  return { workflowId, checkOpen: () => runs.checkOpen(workflowId, runId) };
}

/** There are no agents of other contracts here. */
async function refuseToMove(): Promise<never> {
  return Promise.reject(ApplicationFailure.nonRetryable('no such version'));
}

function placeOf(): Place {
  return {
    runId: '11111111-2222-4333-8444-555555555555',
    agent: AGENT,
    installationId: INSTALLATION_ID,
    version: RSTOW_VERSION,
    contract: CONTRACT_NUMBER,
    timing: {
      heartbeatMs: 2000,
      retryInitialMs: 50,
      retryMaxMs: 200,
      transferGiveUpMs: 20_000,
      stepGiveUpMs: 20_000,
      probeMs: 4_000,
      patienceMs: 20_000,
      cleanupGiveUpMs: 20_000,
    },
    searchAttributes: true,
  };
}

async function addSearchAttributes(connection: NativeConnection, namespace: string): Promise<void> {
  const searchAttributes = Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map((name) => [name, KEYWORD]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}

function recorded(agent: FakeAgent, plausible: PlausibleVerbs): Record<string, (input: Call['input']) => Promise<unknown>> {
  const names = Object.keys(plausible) as (keyof PlausibleVerbs)[];
  return Object.fromEntries(names.map((verb) => [verb, (input: Call['input']) => perform(agent, plausible, { verb, input })]));
}

/** As `activity` does it: heartbeats, our errors as Temporal failures, cancellation untouched. */
async function perform(agent: FakeAgent, plausible: PlausibleVerbs, call: Call & { verb: keyof PlausibleVerbs }): Promise<unknown> {
  agent.calls.push(call);
  const context = Context.current();
  const ticker = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    const verb = (agent.verbs[call.verb] ?? plausible[call.verb]) as (input: unknown) => Promise<unknown>;
    return await verb(call.input);
  } catch (error) {
    if (context.cancellationSignal.aborted) throw context.cancellationSignal.reason;
    throw activityFailure(error);
  } finally {
    clearInterval(ticker);
  }
}

/** The verbs that were begun, without the looks for the agent, the lock's holder and who has signed. */
export function verbsOf(agent: FakeAgent): string[] {
  return agent.calls.map(({ verb }) => verb).filter((verb) => !/^(locate|findLockHolder|checkStart)/.test(verb));
}
