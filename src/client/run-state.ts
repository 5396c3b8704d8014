import type { Client, WorkflowExecutionDescription, WorkflowExecutionInfo, WorkflowHandle } from '@temporalio/client';
import { PROGRESS_QUERY } from '../contract/names.ts';
import type { Progress } from '../contract/result.ts';
import { QUERY_TYPES } from '../contract/workflow-types.ts';

/** Where a run is. */
export type RunState = {
  /** When it may begin, Unix ms; undefined if it has begun. */
  startsAtMs?: number | undefined;
  /** Nobody has taken the run's next task up for some seconds. */
  isWaitingForAgent: boolean;
  /** The step at work, known without asking an agent; undefined between two steps. */
  step: RunStep | undefined;
  /** What the run says of itself; undefined while a step is at work, or no agent answers. */
  progress: Progress | undefined;
};

export type RunStep = {
  /** In words, such as `store segments`. */
  step: string;
  attempt: number;
  /** The agent at work; absent until one has taken the step up. */
  host?: string | undefined;
  /** What the step last said of itself. */
  facts: Record<string, string | number | undefined>;
  /** Why the last attempt failed. */
  lastFailure?: string | undefined;
  /** When a step that failed is tried again, Unix ms. */
  nextTryAtMs?: number | undefined;
  /** When the agent at work was heard last, Unix ms. */
  heardAtMs?: number | undefined;
};

/** A worker that is there takes a run's next task up by then, also on a busy host; between two steps nobody is waited for. */
export const TAKE_UP_MS = 5_000;
const ANSWER_MS = 3_000;

export async function runState(handle: WorkflowHandle): Promise<RunState> {
  const description = await handle.describe();
  const startsAtMs = delayedUntilMs(description, Date.now());
  if (startsAtMs !== undefined) return { startsAtMs, isWaitingForAgent: false, step: undefined, progress: undefined };
  const step = runStep(description);
  if (step !== undefined) return { isWaitingForAgent: false, step, progress: undefined };
  const isWaitingForAgent = waitsForAgent(description, Date.now());
  const progress = isWaitingForAgent ? undefined : await progressOf(handle);
  return { isWaitingForAgent, step, progress };
}

/** Until then a run that was started with a delay waits, or undefined. */
export function delayedUntilMs({ raw: { workflowExecutionInfo } }: WorkflowExecutionDescription, nowMs: number): number | undefined {
  const atMs = timeMs(workflowExecutionInfo?.executionTime);
  return atMs !== undefined && atMs > nowMs ? atMs : undefined;
}

/** Undefined if no agent answers at once, such as one that has just died. */
async function progressOf(handle: WorkflowHandle): Promise<Progress | undefined> {
  const ask = (): Promise<Progress> => handle.query<Progress>(PROGRESS_QUERY);
  return handle.client.withDeadline(Date.now() + ANSWER_MS, ask).catch(() => undefined);
}

/** Whether the run's next task has been waiting for a worker for some seconds. */
export function waitsForAgent({ raw: { pendingWorkflowTask: task } }: WorkflowExecutionDescription, nowMs: number): boolean {
  if (task === undefined || task === null || task.startedTime) return false;
  return nowMs - Number(task.scheduledTime?.seconds ?? nowMs / 1000) * 1000 > TAKE_UP_MS;
}

type Pending = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];
type Timestamp = { seconds?: unknown; nanos?: number | null } | null | undefined;

/** Undefined while no step is at work. */
export function runStep({ raw }: WorkflowExecutionDescription): RunStep | undefined {
  const pending = raw.pendingActivities?.[0];
  if (pending === undefined) return undefined;
  const { lastWorkerIdentity, lastFailure } = pending;
  return {
    step: stepText(pending.activityType?.name ?? 'step'),
    attempt: pending.attempt ?? 1,
    host: lastWorkerIdentity === null || lastWorkerIdentity === '' ? undefined : lastWorkerIdentity,
    facts: factsOf(pending),
    lastFailure: lastFailure?.message ?? undefined,
    nextTryAtMs: pending.lastStartedTime && !isAtWork(pending) ? timeMs(pending.scheduledTime) : undefined,
    heardAtMs: isAtWork(pending) ? (timeMs(pending.lastHeartbeatTime) ?? timeMs(pending.lastStartedTime)) : undefined,
  };
}

/** temporal.api.enums.v1.PendingActivityState: started. */
const STARTED = 2;

function isAtWork({ state }: Pending): boolean {
  return Number(state) === STARTED;
}

function timeMs(time: Timestamp): number | undefined {
  return time === undefined || time === null ? undefined : Number(time.seconds ?? 0) * 1000 + (time.nanos ?? 0) / 1_000_000;
}

function stepText(activityType: string): string {
  return activityType.replaceAll(/([A-Z])/g, (_match, letter: string) => ` ${letter.toLowerCase()}`);
}

/** Heartbeats are JSON that our own activities report; anything else says nothing. */
function factsOf(pending: Pending): RunStep['facts'] {
  const data = pending.heartbeatDetails?.payloads?.[0]?.data;
  if (data === undefined || data === null) return {};
  try {
    const facts: unknown = JSON.parse(new TextDecoder().decode(data));
    return typeof facts === 'object' && facts !== null ? (facts as RunStep['facts']) : {};
  } catch {
    return {};
  }
}

/** Whoever started a query has its answer by then; sooner, Temporal may still be writing down that it has ended. */
const ANSWERED_MS = 10_000;
const AT_ONCE_MAX = 50;

/** The ids that this client and `rstow up` give to queries: those of other programs are theirs. */
const OWN_ID = new RegExp(`^rstow/[^/]+/(${QUERY_TYPES.join('|')})/([0-9a-f-]{36}|up)$`);

/**
 * Removes queries that have ended: their answer was given, and the list of runs is for those that did something. What can't be
 * removed goes with Temporal's retention. Twice: no-op.
 */
export async function forgetPastQueries(client: Client): Promise<void> {
  const before = new Date(Date.now() - ANSWERED_MS).toISOString();
  const query = `WorkflowType IN (${QUERY_TYPES.map((type) => `'${type}'`).join(', ')}) AND CloseTime < '${before}'`;
  const past: WorkflowExecutionInfo[] = [];
  for await (const run of client.workflow.list({ query, pageSize: AT_ONCE_MAX })) {
    if (OWN_ID.test(run.workflowId)) past.push(run);
    if (past.length >= AT_ONCE_MAX) break;
  }
  const { namespace } = client.options;
  await Promise.all(
    past.map(({ workflowId, runId }) =>
      client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } }),
    ),
  );
}
