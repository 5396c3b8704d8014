import {
  Client,
  isGrpcServiceError,
  type WorkflowExecutionDescription,
  type WorkflowExecutionStatusName,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { LockHolder, OneRun, RunChain, RunRegistry } from '../../activities/run-port.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { TemporalConnection } from './connection.ts';
import { buildIdOf, DEPLOYMENT_NAME, type MoveRun } from '../../contract/names.ts';

/** How long one question to Temporal may take, with all that the connection itself tries again. */
const REQUEST_MS = 10_000;

const OPEN: WorkflowExecutionStatusName[] = ['RUNNING', 'PAUSED'];

/** What a lock's run says of its holder. @see src/workflows/temporal/lock.ts */
type LockMemo = { holder: string; runId: string; type: string; sinceMs: number };

export type RunState = 'open' | 'closed' | 'unknown';

export type AgentRunRegistry = RunRegistry & {
  /**
   * Whether the run is at work, or one that continues it: by reset, retry or continue-as-new. Asked by its workflow's id
   * as well, a run that isn't there has ended. By its own id alone Temporal can only look it up in its list, and
   * `unknown` is a run that the list doesn't have yet, or one that the namespace has forgotten.
   */
  runState(runId: string, workflowId?: string): Promise<RunState>;
};

/** What rstow asks Temporal about runs. Each question is answered, or fails, within 10 s. */
export function createRunRegistry({ connection, namespace }: TemporalConnection): AgentRunRegistry {
  const { workflow } = new Client({ connection, namespace });
  const ask = <T>(question: () => Promise<T>): Promise<T> =>
    connection.withDeadline(Date.now() + REQUEST_MS, question).catch(rethrowUnreachable);
  const describe: Describe = (workflowId, runId) => unlessNotFound(ask(() => workflow.getHandle(workflowId, runId).describe()));
  const statusOf = async (workflowId: string, runId: string): Promise<WorkflowExecutionStatusName | undefined> =>
    (await describe(workflowId, runId))?.status.name;

  async function lockHolder(lockId: string): Promise<LockHolder | undefined> {
    const lock = await describe(lockId);
    if (lock === undefined || !OPEN.includes(lock.status.name)) return undefined;
    if (typeof lock.memo?.['holder'] !== 'string') return byHand(lock);
    const { holder: workflowId, runId, type, sinceMs } = lock.memo as LockMemo;
    const openRunId = await openRunOf(describe, { workflowId, runId });
    return { workflowId, runId: openRunId ?? runId, type, sinceMs, open: openRunId !== undefined, lockRunId: lock.runId };
  }

  return {
    lockHolder,
    chainOf: async (workflowId, runId) => {
      const description = await describe(workflowId, runId);
      return description === undefined ? Promise.reject(closedRun(workflowId, runId, undefined)) : chainOf(description);
    },
    isOpen: async (workflowId, runId) => OPEN.includes((await statusOf(workflowId, runId)) ?? 'UNKNOWN'),
    checkOpen: async (workflowId, runId) => {
      const status = await statusOf(workflowId, runId);
      if (status === undefined || !OPEN.includes(status)) throw closedRun(workflowId, runId, status);
    },
    terminate: async ({ workflowId, runId }, reason) => {
      await unlessNotFound(ask(() => workflow.getHandle(workflowId, runId).terminate(reason)));
    },
    runState: async (runId, workflowId) => {
      if (workflowId !== undefined) return chainState(describe, { workflowId, runId });
      const runs = workflow.list({ query: `RunId = '${runId}'`, pageSize: 1 });
      const listed = await ask(() => runs[Symbol.asyncIterator]().next());
      return listed.done === true ? 'unknown' : chainState(describe, { workflowId: listed.value.workflowId, runId });
    },
  };
}

type Describe = (workflowId: string, runId?: string) => Promise<WorkflowExecutionDescription | undefined>;

async function chainState(describe: Describe, run: OneRun): Promise<RunState> {
  return (await openRunOf(describe, run)) === undefined ? 'closed' : 'open';
}

/** The run itself, or that which continues it. Of an id's runs the newest is at work, if any is; it may be of a later chain. */
async function openRunOf(describe: Describe, { workflowId, runId }: OneRun): Promise<string | undefined> {
  const run = await describe(workflowId, runId);
  if (run === undefined) return undefined;
  if (OPEN.includes(run.status.name)) return run.runId;
  const newest = await describe(workflowId);
  if (newest === undefined || !OPEN.includes(newest.status.name)) return undefined;
  return chainOf(newest).firstRunId === chainOf(run).firstRunId ? newest.runId : undefined;
}

/** A lock that no run of rstow's has taken: whoever started it knows when it may end. */
function byHand({ workflowId, runId, type, startTime }: WorkflowExecutionDescription): LockHolder {
  return { workflowId, runId, type, sinceMs: startTime.getTime(), open: true, lockRunId: runId };
}

/** The first run's id survives a retry, a reset and a continue-as-new. */
function chainOf({ workflowId, runId, type, raw }: WorkflowExecutionDescription): RunChain {
  const { firstRunId } = raw.workflowExecutionInfo ?? {};
  const isKnown = firstRunId !== undefined && firstRunId !== null && firstRunId !== '';
  return { workflowId, firstRunId: isKnown ? firstRunId : runId, workflowType: type };
}

async function unlessNotFound<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

export function rethrowUnreachable(error: unknown): never {
  if (error instanceof WorkflowNotFoundError) throw error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const why = isGrpcServiceError(cause) ? cause.details : String(error);
  throw new RstowError('temporal-unreachable', `Temporal did not answer: ${why}`, { cause: error });
}

function closedRun(workflowId: string, runId: string, status: string | undefined): RstowError {
  return new RstowError('cancelled', `run ${workflowId} has ended meanwhile (${status ?? 'not found'})`, {
    details: { workflowId, runId, status: status ?? null },
  });
}

/** temporal.api.enums.v1.VersioningOverride's PINNED_OVERRIDE_BEHAVIOR_PINNED */
const PINNED = 1;
const MOVE_MS = 5_000;

/**
 * Gives a run that has done nothing yet to agents of another contract. Called by its very first task, which Temporal then
 * drops: the other contract's agents begin with an empty history. Twice: no-op.
 */
export const moveRun =
  ({ connection, namespace }: TemporalConnection): MoveRun =>
  async ({ workflowId, runId, contract }) => {
    const version = { deploymentName: DEPLOYMENT_NAME, buildId: buildIdOf(contract) };
    const request: object = {
      namespace,
      workflowExecution: { workflowId, runId },
      workflowExecutionOptions: { versioningOverride: { pinned: { behavior: PINNED, version } } },
      updateMask: { paths: ['versioning_override'] },
    };
    await connection.withDeadline(Date.now() + MOVE_MS, () => connection.workflowService.updateWorkflowExecutionOptions(request));
  };
