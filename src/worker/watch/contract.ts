import { Client, isGrpcServiceError, QueryNotRegisteredError, QueryRejectedError, WorkflowNotFoundError } from '@temporalio/client';
import { buildIdOf, CONTRACT_NUMBER, contractOf, DEPLOYMENT_NAME, PROGRESS_QUERY, WORKFLOW_QUEUE } from '../../contract/names.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { type Contracts, contractsOf, refusal, setCurrent } from '../current-contract.ts';
import { type RepeatingTask, startRepeatingTask } from './repeating-task.ts';
import type { TemporalConnection } from '../temporal/connection.ts';

export type ContractWatch = {
  temporal: TemporalConnection;
  /** For so long no agent of a run's contract must have answered before the run is ended. */
  contractGoneMs: number;
  logger: Logger;
  signal: AbortSignal;
};

const INTERVAL_MS = 30_000;
const ANSWER_MS = 10_000;
/** Enough for a pass: the next one goes on. */
const RUNS_MAX = 1_000;

/** temporal.api.enums.v1.TaskQueueType */
const WORKFLOWS = 1;

/** Of gRPC: where nobody polls, and where whoever polls doesn't answer. */
const SILENCE = [4, 9];

type OpenRun = { workflowId: string; runId: string };

/**
 * Ends open runs whose contract no agent knows any more, as after the upgrade of the only host: nobody would ever go on
 * with them, and their locks would stay. What they left is cleared as after any run that was terminated.
 */
export function startContractWatch(watch: ContractWatch): RepeatingTask {
  const { temporal, contractGoneMs, logger, signal } = watch;
  const intervalMs = Math.min(INTERVAL_MS, contractGoneMs);
  const silentSinceMs = new Map<number, number>();
  const unpolledSinceMs = new Map<number, number>();
  const pass = async (): Promise<void> => {
    const contracts = await contractsOf(temporal);
    for (const contract of contracts.known) {
      if (contract === CONTRACT_NUMBER) continue;
      const runs = await openRunsOf(temporal, contract);
      const [first] = runs;
      if (first === undefined || (await answers(watch, first))) silentSinceMs.delete(contract);
      else if (isPast(silentSinceMs, contract, contractGoneMs)) await endRuns(watch, contract, runs);
    }
    await correctCurrent(watch, contracts, unpolledSinceMs);
  };
  return startRepeatingTask(pass, { what: 'looking for runs of other contracts', intervalMs, logger, signal });
}

/** New runs get the highest contract of which an agent polls: some time after a step back to an older rstow, that one's. */
async function correctCurrent(watch: ContractWatch, contracts: Contracts, unpolledSinceMs: Map<number, number>): Promise<void> {
  const { temporal, contractGoneMs, logger } = watch;
  const { current = 0 } = contracts;
  if (current === CONTRACT_NUMBER) return;
  if (current > CONTRACT_NUMBER) {
    if ((await polledContracts(temporal)).includes(current)) return void unpolledSinceMs.delete(current);
    // A newer agent makes its offer a moment before it polls.
    if (!isPast(unpolledSinceMs, current, contractGoneMs)) return;
  }
  try {
    await setCurrent(temporal, contracts);
    logger.info({ current, contract: CONTRACT_NUMBER }, 'new runs get this agent’s contract from now on');
  } catch (error) {
    // Said at the start already.
    if (refusal(error) === undefined) throw error;
  }
}

/** Counted from the first look that met silence, by no clock that can jump. */
function isPast(silentSinceMs: Map<number, number>, contract: number, limitMs: number): boolean {
  const sinceMs = silentSinceMs.get(contract) ?? performance.now();
  silentSinceMs.set(contract, sinceMs);
  return performance.now() - sinceMs >= limitMs;
}

async function openRunsOf({ connection, namespace }: TemporalConnection, contract: number): Promise<OpenRun[]> {
  const query = `TemporalWorkerDeploymentVersion = '${DEPLOYMENT_NAME}:${buildIdOf(contract)}' AND ExecutionStatus = 'Running'`;
  const runs: OpenRun[] = [];
  for await (const { workflowId, runId } of new Client({ connection, namespace }).workflow.list({ query })) {
    if (runs.push({ workflowId, runId }) === RUNS_MAX) break;
  }
  return runs;
}

/** Only an agent of the run's own contract can: that some agent polls is reported by Temporal late, and not of all its parts. */
async function answers({ temporal, contractGoneMs }: ContractWatch, { workflowId, runId }: OpenRun): Promise<boolean> {
  const { connection, namespace } = temporal;
  const untilMs = Date.now() + Math.min(ANSWER_MS, contractGoneMs);
  const handle = new Client({ connection, namespace }).workflow.getHandle(workflowId, runId);
  try {
    await connection.withDeadline(untilMs, () => handle.query(PROGRESS_QUERY));
    return true;
  } catch (error) {
    const isAnswer = [QueryNotRegisteredError, QueryRejectedError, WorkflowNotFoundError].some((kind) => error instanceof kind);
    if (isAnswer) return true;
    const cause = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
    if (isGrpcServiceError(cause) && SILENCE.includes(cause.code)) return false;
    throw error;
  }
}

async function endRuns({ temporal, contractGoneMs, logger }: ContractWatch, contract: number, runs: OpenRun[]): Promise<void> {
  const { workflow } = new Client({ connection: temporal.connection, namespace: temporal.namespace });
  const seconds = Math.round(contractGoneMs / 1000);
  const sentence = `no agent of contract ${contract}, with which this run began, has answered for ${seconds} s; the agents have contract ${CONTRACT_NUMBER} now`;
  for (const { workflowId, runId } of runs) {
    logger.warn({ code: 'agent-version-unsupported', workflowId, runId, contract }, `ending a run: ${sentence}`);
    try {
      await workflow.getHandle(workflowId, runId).terminate(`agent-version-unsupported: ${sentence}`);
    } catch (error) {
      // It has ended meanwhile: a lock ends with its run.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
}

/** Those of agents that Temporal remembers, which it does for some minutes. */
async function polledContracts({ connection, namespace }: TemporalConnection): Promise<number[]> {
  const request: object = { namespace, taskQueue: { name: WORKFLOW_QUEUE }, taskQueueType: WORKFLOWS };
  const { pollers } = await connection.workflowService.describeTaskQueue(request);
  return pollers.flatMap(({ deploymentOptions }) => contractOf(deploymentOptions?.buildId ?? '') ?? []);
}
