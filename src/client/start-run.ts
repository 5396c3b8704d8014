import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { REQUEST_RECOVERY_SIGNAL, SIGNATURE_MEMO, type Signer } from '../contract/messages.ts';
import { recoveryWorkflowId, runWorkflowId, WORKFLOW_QUEUE } from '../contract/names.ts';
import { INPUT_PARSERS, type Workflows, type WorkflowType } from '../contract/workflow-types.ts';
import { runHandle, type StartedRun } from './run-handle.ts';

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

/** Fails: invalid-input, before Temporal is asked. Twice: with an `idEnd`, and for a recovery, the same run while it is open. */
export async function startRun<T extends WorkflowType>(client: Client, { type, input, options }: Start<T>): Promise<StartedRun<T>> {
  const parsed = INPUT_PARSERS[type]([input]);
  if (type === 'disasterRecovery') return requestRecovery(client, { type, input: parsed, options });
  const { database } = parsed;
  const { idEnd, timeoutMs } = options;
  const workflowId = runWorkflowId(database, type, idEnd ?? randomUUID());
  const handle = await client.workflow.start(type, {
    workflowId,
    workflowIdConflictPolicy: idEnd === undefined ? 'FAIL' : 'USE_EXISTING',
    taskQueue: WORKFLOW_QUEUE,
    args: [parsed],
    staticSummary: `${type} of ${database}`,
    memo: memoOf({ type, workflowId, input: parsed }, options),
    // 0: without an end.
    workflowExecutionTimeout: timeoutMs ?? 0,
  });
  return runHandle(client, handle, handle.firstExecutionRunId);
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
