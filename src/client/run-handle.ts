import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { ExpireBackupsInput } from '../contract/expire-backups.ts';
import {
  ABORT_SIGNAL,
  APPROVE_UPDATE,
  DENY_UPDATE,
  parseApproval,
  parseDenial,
  REQUEST_RECOVERY_SIGNAL,
  SIGNATURE_MEMO,
  type Signer,
} from '../contract/messages.ts';
import { INPUT_PARSERS, type Workflows, type WorkflowType } from '../contract/workflow-types.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { withRstowErrors } from './temporal.ts';
import { inputOf, type RunInput } from './run-input.ts';
import { type RunState, runState, waitsForAgent } from './run-state.ts';
import { expiryWorkflowId, recoveryWorkflowId, runWorkflowId, WORKFLOW_QUEUE } from '../contract/names.ts';

/** One run. Each of its calls fails with an `RstowError`: `temporal-unreachable`, `invalid-input` if the run is no longer there, or as it says. */
export type RunHandle<T extends WorkflowType = WorkflowType> = {
  readonly workflowId: string;
  /** Undefined: the latest run of that id. */
  readonly runId: string | undefined;
  /** Waits for the run's end; an abort of `signal` ends only the waiting. Fails: as the run does, with its code, details and hint. */
  result(signal?: AbortSignal): Promise<Workflows[T]['result']>;
  /** Where the run is. */
  state(): Promise<RunState>;
  /** Asks the run to end; it cleans up first. */
  cancel(): Promise<void>;
  /** Ends a recovery as `cancel` does, for a user who may signal and not cancel. */
  abort(): Promise<void>;
  /** Lets a run continue that waits for approval. Fails: approval-denied. */
  approve(approval: { planHash: string; by: string; signer?: Signer | undefined }): Promise<void>;
  /** Ends a run that waits for approval. */
  deny(denial: { by: string; reason: string }): Promise<void>;
  /**
   * Ends the run if no agent has taken it up yet: then nothing was done. Returns whether it did. `isQuery`: also if an agent, such as
   * one that has just died, was handed its first task and has not answered.
   */
  withdraw(reason: string, isQuery?: boolean): Promise<boolean>;
};

/** A run that this client has started, or joined. */
export type StartedRun<T extends WorkflowType> = RunHandle<T> & { readonly runId: string };

/** A history of more events than these has begun, whatever they are. */
const NEW_LENGTH_MAX = 20;

export function runHandle<T extends WorkflowType, Id extends string | undefined>(
  client: Client,
  handle: WorkflowHandle,
  runId: Id,
): RunHandle<T> & { readonly runId: Id } {
  const { workflowId } = handle;
  // Without the run's own id: a run that was reset or begun again still waits for the message.
  const latest = client.workflow.getHandle(workflowId);
  const result = async (): Promise<Workflows[T]['result']> => (await handle.result()) as Workflows[T]['result'];
  return {
    workflowId,
    runId,
    result: (signal) => withRstowErrors(() => (signal === undefined ? result() : client.withAbortSignal(signal, result))),
    state: () => withRstowErrors(() => runState(handle)),
    cancel: async () => {
      await withRstowErrors(() => handle.cancel());
    },
    abort: () => withRstowErrors(() => latest.signal(ABORT_SIGNAL)),
    approve: ({ signer, ...approval }) => {
      return withRstowErrors(async () => {
        const parsed = parseApproval(approval);
        const signature = signer === undefined ? undefined : await approvalSignature(latest, parsed.planHash, signer);
        await latest.executeUpdate(APPROVE_UPDATE, { args: [{ ...parsed, signature }] });
      });
    },
    deny: (denial) => withRstowErrors(() => latest.executeUpdate(DENY_UPDATE, { args: [parseDenial(denial)] })),
    withdraw: (reason, isQuery = false) => withRstowErrors(() => withdraw(handle, { reason, isQuery })),
  };
}

/** Of this run, whatever continues it, and this hash. */
async function approvalSignature(run: WorkflowHandle, hash: string, signer: Signer): Promise<ReturnType<Signer['sign']>> {
  const { runId, raw } = await run.describe();
  const firstRunId = raw.workflowExecutionInfo?.firstRunId ?? runId;
  return signer.sign({ purpose: 'approve', workflowId: run.workflowId, firstRunId, hash }, Date.now());
}

async function withdraw(handle: WorkflowHandle, { reason, isQuery }: { reason: string; isQuery: boolean }): Promise<boolean> {
  const description = await handle.describe();
  if (description.historyLength > NEW_LENGTH_MAX) return false;
  if (!isQuery && !waitsForAgent(description, Date.now())) return false;
  if (await hasBegun(handle)) return false;
  await handle.terminate(reason);
  return true;
}

/** Whether an agent has answered the run's first task. One that died with it in its hands has not. */
async function hasBegun(handle: WorkflowHandle): Promise<boolean> {
  const { events } = await handle.fetchHistory();
  return events?.some((event) => event.workflowTaskCompletedEventAttributes ?? event.workflowTaskFailedEventAttributes) ?? false;
}

export type StartOptions = {
  /** Signs the start, for agents whose config names operators; without it a run that replaces data waits for an approval. */
  signer?: Signer | undefined;
  /**
   * Ends the workflow id instead of a random part: while a run of that id is open, a start joins it. A recovery has one id
   * for each database, whatever is given here.
   */
  idEnd?: string | undefined;
  /** Ends the run so long after its start unless it has ended; never if absent. For queries only: a run that stops a server has to end by itself. */
  timeoutMs?: number | undefined;
};

type Start<T extends WorkflowType> = { type: T; input: Workflows[T]['input']; options: StartOptions };

/**
 * Fails: invalid-input, before Temporal is asked; busy, for an expiry while one that was asked for otherwise is open. Twice: with an `idEnd`, for a recovery,
 * and for the same expiry, the same run while it is open.
 */
export async function startRun<T extends WorkflowType>(client: Client, { type, input, options }: Start<T>): Promise<StartedRun<T>> {
  const parsed = INPUT_PARSERS[type]([input]);
  if (type === 'disasterRecovery') return requestRecovery(client, { type, input: parsed, options });
  const { database } = parsed;
  const { idEnd, timeoutMs } = options;
  const expiry = isExpiry(parsed, type) ? parsed : undefined;
  const workflowId = expiry !== undefined ? expiryWorkflowId(database) : runWorkflowId(database, type, idEnd ?? randomUUID());
  const handle = await client.workflow.start(type, {
    workflowId,
    workflowIdConflictPolicy: idEnd === undefined && expiry === undefined ? 'FAIL' : 'USE_EXISTING',
    taskQueue: WORKFLOW_QUEUE,
    args: [parsed],
    staticSummary: `${type} of ${database}`,
    memo: memoOf({ type, workflowId, input: parsed }, options),
    // 0: without an end.
    workflowExecutionTimeout: timeoutMs ?? 0,
  });
  const run = runHandle<T, string>(client, handle, handle.firstExecutionRunId);
  if (expiry !== undefined) {
    requireSameExpiry(expiry, { holder: workflowId, input: await inputOf(client, { workflowId, runId: run.runId, type }) });
  }
  return run;
}

/** One that only says what would go keeps nobody waiting. */
function isExpiry(input: object, type: WorkflowType): input is ExpireBackupsInput {
  return type === 'expireBackups' && 'apply' in input && input.apply === true;
}

/**
 * An open run of that id is joined only by who asks for it in the same words: which repository is the first, only agents know. One whose
 * input can't be read may be the caller's own. Fails: busy.
 */
export function requireSameExpiry(wanted: ExpireBackupsInput, { holder, input }: { holder: string; input: RunInput | undefined }): void {
  if (input === undefined) return;
  const { database, repository, despiteClocks } = wanted;
  const open = expiryText(input);
  const mine = expiryText({ repository, isDespiteClocks: despiteClocks === true ? true : undefined });
  if (open === mine) return;
  const sentence = `an expiry of "${database}" is under way, in ${open}; this one, in ${mine}, was not started`;
  throw new RstowError('busy', sentence, { details: { database, holder } });
}

function expiryText({ repository, isDespiteClocks }: Pick<RunInput, 'repository' | 'isDespiteClocks'>): string {
  const where = repository === undefined ? 'the first repository' : `repository "${repository}"`;
  return isDespiteClocks === true ? `${where} and despite the clocks` : where;
}

/** All requests for a database's recovery are one run: an open one takes a further request as a signal. */
async function requestRecovery<T extends WorkflowType>(client: Client, { type, input, options }: Start<T>): Promise<StartedRun<T>> {
  const { database } = input;
  const workflowId = recoveryWorkflowId(database);
  const handle = await client.workflow.signalWithStart(type, {
    workflowId,
    taskQueue: WORKFLOW_QUEUE,
    args: [input],
    signal: REQUEST_RECOVERY_SIGNAL,
    signalArgs: [input],
    staticSummary: `${type} of ${database}`,
    memo: memoOf({ type, workflowId, input }, options),
  });
  return runHandle(client, handle, handle.signaledRunId);
}

/** The signature is in the memo, for it is about the input. */
function memoOf(
  { type, workflowId, input }: { type: WorkflowType; workflowId: string; input: object },
  { signer }: StartOptions,
): Record<string, unknown> {
  if (signer === undefined) return {};
  return { [SIGNATURE_MEMO]: signer.sign({ purpose: 'start', workflowType: type, workflowId, input }, Date.now()) };
}
