import type { Client, WorkflowHandle } from '@temporalio/client';
import { ABORT_SIGNAL, APPROVE_UPDATE, DENY_UPDATE, parseApproval, parseDenial, type Signer } from '../contract/messages.ts';
import type { Workflows, WorkflowType } from '../contract/workflow-types.ts';
import { withRstowErrors } from './failure.ts';
import { type RunState, runState, waitsForAgent } from './run-state.ts';

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
  /** Ends the run if no agent has taken it up yet: then nothing was done. Returns whether it did. */
  withdraw(reason: string): Promise<boolean>;
};

/** A run that this client has started, or joined. */
export type StartedRun<T extends WorkflowType> = RunHandle<T> & { readonly runId: string };

/** The events of a run that was started and no more. */
const NEW_LENGTH = 2;

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
    withdraw: (reason) => withRstowErrors(() => withdraw(handle, reason)),
  };
}

/** Of this run, whatever continues it, and this hash. */
async function approvalSignature(run: WorkflowHandle, hash: string, signer: Signer): Promise<ReturnType<Signer['sign']>> {
  const { runId, raw } = await run.describe();
  const firstRunId = raw.workflowExecutionInfo?.firstRunId ?? runId;
  return signer.sign({ purpose: 'approve', workflowId: run.workflowId, firstRunId, hash }, Date.now());
}

async function withdraw(handle: WorkflowHandle, reason: string): Promise<boolean> {
  const description = await handle.describe();
  if (description.historyLength > NEW_LENGTH || !waitsForAgent(description, Date.now())) return false;
  await handle.terminate(reason);
  return true;
}
