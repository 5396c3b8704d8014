import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import { buildIdOf, CONTRACT_NUMBER, contractOf, DEPLOYMENT_NAME, WORKFLOW_QUEUE } from '../contract/names.ts';
import type { Logger } from './telemetry/agent-logger.ts';
import type { ConnectOptions, TemporalConnection } from './temporal/connection.ts';

/** How the agent's workers poll: `versioned` get runs of their own contract only, `unversioned` all that there are. */
export type Polling = 'versioned' | 'unversioned';

/** What Temporal knows of rstow's contracts. */
export type Contracts = {
  /** The one that new runs get; undefined before any agent has set it. */
  current: number | undefined;
  known: number[];
  /** Refuses a change that is based on what is no longer so. */
  conflictToken: Uint8Array;
};

/** Of gRPC. */
const NOT_FOUND = 5;
const FAILED_PRECONDITION = 9;
/** Of a server that has no worker versions, has them switched off, or doesn't let this agent use them. */
const REFUSED: number[] = [3, 7, 12];

const ATTEMPTS_MAX = 5;
const REQUEST_MS = 10_000;
const AGAIN_MS = 1_000;
const ROUTED_MS = 10_000;
const ROUTED_POLL_MS = 100;

/** temporal.api.enums.v1.TaskQueueType */
const WORKFLOWS = 1;

/**
 * Makes this agent's contract the one that new runs get, if it is higher than what they get now: a run goes on with the
 * contract that it began with. Called before the workers start, which poll as it says. It waits for a Temporal that is
 * away. Fails: the signal's reason. Twice: no-op.
 */
export async function offerContract(temporal: TemporalConnection, { logger, signal }: ConnectOptions): Promise<Polling> {
  for (;;) {
    try {
      return await offerOnce(temporal, logger);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ err: error }, 'Temporal does not say which contract new runs get: asking again');
      await sleep(AGAIN_MS, undefined, { signal });
    }
  }
}

async function offerOnce(temporal: TemporalConnection, logger: Logger): Promise<Polling> {
  let contracts: Contracts;
  try {
    contracts = await raiseContract(temporal);
  } catch (error) {
    const why = refusal(error);
    if (why === undefined) throw error;
    const { current } = await contractsOf(temporal).catch(() => ({ current: undefined }));
    if (current === undefined) {
      logger.warn({ code: 'temporal-unversioned', why }, 'Temporal offers no worker versions: let open runs end before rstow is upgraded');
      return 'unversioned';
    }
    logger.warn({ code: 'temporal-unversioned', why, current }, `new runs go to agents of contract ${current}, until ${byHand(temporal)}`);
    return 'versioned';
  }
  const { current } = contracts;
  if (current !== undefined && current > CONTRACT_NUMBER) {
    logger.warn({ current, contract: CONTRACT_NUMBER }, 'new runs go to agents of a newer rstow: this one only ends what it has begun');
  }
  return 'versioned';
}

/** What an operator may do in place of an agent that isn't allowed to. */
function byHand({ namespace }: TemporalConnection): string {
  const version = `--deployment-name ${DEPLOYMENT_NAME} --build-id ${buildIdOf(CONTRACT_NUMBER)}`;
  return `somebody runs: temporal worker deployment set-current-version ${version} --namespace ${namespace}`;
}

/** Several agents may start at once: whoever was overtaken looks again. */
async function raiseContract(temporal: TemporalConnection): Promise<Contracts> {
  for (let attempt = 1; ; attempt += 1) {
    const contracts = await contractsOf(temporal);
    if (contracts.current !== undefined && contracts.current >= CONTRACT_NUMBER) return contracts;
    try {
      await setCurrent(temporal, contracts);
      return { ...contracts, current: CONTRACT_NUMBER };
    } catch (error) {
      if (!hasCode(error, [FAILED_PRECONDITION]) || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

export async function contractsOf({ connection, namespace }: TemporalConnection): Promise<Contracts> {
  try {
    const request = { namespace, deploymentName: DEPLOYMENT_NAME };
    const { workerDeploymentInfo, conflictToken } = await connection.withDeadline(Date.now() + REQUEST_MS, () =>
      connection.workflowService.describeWorkerDeployment(request),
    );
    const { routingConfig, versionSummaries } = workerDeploymentInfo ?? {};
    return {
      current: contractOf(routingConfig?.currentDeploymentVersion?.buildId ?? ''),
      known: (versionSummaries ?? []).flatMap(({ deploymentVersion }) => contractOf(deploymentVersion?.buildId ?? '') ?? []),
      conflictToken,
    };
  } catch (error) {
    if (!hasCode(error, [NOT_FOUND])) throw error;
    return { current: undefined, known: [], conflictToken: new Uint8Array() };
  }
}

/** Also before a worker of this contract has polled: new runs wait for it, for the moment that it takes to start. */
export async function setCurrent({ connection, namespace }: TemporalConnection, { conflictToken }: Contracts): Promise<void> {
  const version = { deploymentName: DEPLOYMENT_NAME, buildId: buildIdOf(CONTRACT_NUMBER) };
  await connection.withDeadline(Date.now() + REQUEST_MS, () =>
    connection.workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      ...version,
      conflictToken,
      allowNoPollers: true,
      ignoreMissingTaskQueues: true,
    }),
  );
}

/**
 * Temporal's queues learn of a new current contract a moment later: a run that starts before would be of the old one. An
 * older agent may have taken the offer back meanwhile, for nobody had polled yet: so it is made once more. A Temporal that
 * goes away just then isn't waited for.
 */
export async function untilRouted(temporal: TemporalConnection, { logger, signal }: ConnectOptions): Promise<void> {
  try {
    const { current } = await raiseContract(temporal).catch(() => contractsOf(temporal));
    const untilMs = performance.now() + ROUTED_MS;
    while (!signal.aborted && performance.now() < untilMs && (await routedContract(temporal)) !== current) await sleep(ROUTED_POLL_MS);
  } catch (error) {
    logger.warn({ err: error }, 'Temporal does not say whether new runs get this agent’s contract yet');
  }
}

async function routedContract({ connection, namespace }: TemporalConnection): Promise<number | undefined> {
  const request: object = { namespace, taskQueue: { name: WORKFLOW_QUEUE }, taskQueueType: WORKFLOWS };
  const { versioningInfo } = await connection.withDeadline(Date.now() + REQUEST_MS, () =>
    connection.workflowService.describeTaskQueue(request),
  );
  return contractOf(versioningInfo?.currentDeploymentVersion?.buildId ?? '');
}

/** Undefined where trying again may help. */
export function refusal(error: unknown): string | undefined {
  return isGrpcServiceError(error) && REFUSED.includes(error.code) ? error.details : undefined;
}

function hasCode(error: unknown, codes: readonly number[]): boolean {
  return isGrpcServiceError(error) && codes.includes(error.code);
}
