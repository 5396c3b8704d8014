import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { runWorkflowId, WORKFLOW_QUEUE } from '../contract/names.ts';
import type { CommonResult } from '../contract/result.ts';
import { SIGNATURE_MEMO } from '../contract/signature.ts';
import type { WorkflowType } from '../contract/workflow-types.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { OperatorKey } from '../worker/operator-key.ts';
import { createOutput, type Output } from './output.ts';
import { historyLink } from './history-link.ts';
import { forgetPastLooks } from './past-looks.ts';
import { type ResultLines, tellResult } from './tell-result.ts';
import { connectClient, type TemporalClient, type TemporalOptions } from './temporal-client.ts';
import { watchRun } from './watch-run.ts';

export type RunOptions = TemporalOptions & { json?: boolean; wait?: boolean };

export type RunRequest<Result extends CommonResult> = {
  type: WorkflowType;
  database: string;
  /** Parsed already: a wrong input fails before Temporal is asked. */
  input: object;
  /** A look that nobody waits for long: it fails at once where no agent is there, and ends after two minutes. */
  isLook: boolean;
  /** For what replaces data; undefined if this user has no key: then the run waits for an operator's approval. */
  key?: OperatorKey | undefined;
  /** Where all requests are one run: its id, and the signal that an open one takes them as. */
  joins?: { workflowId: string; signal: string };
  resultLines: ResultLines<Result>;
};

/** Exit code of a viewer that left a run alone. */
const DETACHED = 130;
const LOOK_TIMEOUT_MS = 120_000;

/** Starts a run and, unless told otherwise, waits for its end. Returns the exit code. Fails: with the run's failure. */
export async function executeRun<Result extends CommonResult>(request: RunRequest<Result>, options: RunOptions): Promise<number> {
  const output = createOutput(options.json === true);
  const temporal = await connectClient(options);
  try {
    await requireAgents(temporal, request.isLook, output);
    const { handle, runId } = await startRun(temporal.client, request);
    const { workflowId } = handle;
    if (options.wait === false) {
      output.result([workflowId], { workflowId, runId });
      return 0;
    }
    if (!request.isLook) tellStarted(output, temporal, { workflowId, runId });
    // Whoever may not list or remove runs has the answer all the same.
    const forgetting = request.isLook ? forgetPastLooks(temporal).catch(() => undefined) : undefined;
    const end = await watchRun(temporal.client, handle, { output, isOwn: request.joins === undefined }).finally(() => forgetting);
    if (end.kind === 'detached') return tellDetached(output, workflowId);
    return tellResult(output, request.resultLines, end.result as Result);
  } finally {
    await temporal.close();
  }
}

type StartedRun = { handle: WorkflowHandle; runId: string };

async function startRun(client: Client, request: RunRequest<never>): Promise<StartedRun> {
  const { type, database, input, isLook, joins } = request;
  const workflowId = joins?.workflowId ?? runWorkflowId(database, type, randomUUID());
  const common = { taskQueue: WORKFLOW_QUEUE, args: [input], staticSummary: `${type} of ${database}`, ...signatureOf(request, workflowId) };
  if (joins !== undefined) {
    const { signal } = joins;
    const handle = await client.workflow.signalWithStart(type, { ...common, workflowId, signal, signalArgs: [input] });
    return { handle, runId: handle.signaledRunId };
  }
  const handle = await client.workflow.start(type, {
    ...common,
    workflowId,
    ...(isLook ? { workflowExecutionTimeout: LOOK_TIMEOUT_MS } : {}),
  });
  return { handle, runId: handle.firstExecutionRunId };
}

/** In the memo, for it is about the input. */
function signatureOf({ key, type, input }: RunRequest<never>, workflowId: string): { memo?: Record<string, unknown> } {
  if (key === undefined) return {};
  return { memo: { [SIGNATURE_MEMO]: key.sign({ purpose: 'start', workflowType: type, workflowId, input }, Date.now()) } };
}

/** Looks at the queue's workflow side, which is what is described by default. A run without agents would wait in silence. Pollers are remembered for minutes, so none means none. */
async function requireAgents({ client, namespace, address }: TemporalClient, isLook: boolean, output: Output): Promise<void> {
  const { pollers } = await client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: WORKFLOW_QUEUE } });
  if (pollers.length > 0) return;
  const sentence = `no agent is connected to Temporal at ${address}`;
  if (isLook) throw new RstowError('agent-unreachable', sentence, { details: { address, namespace } });
  output.note(`${sentence}; the run starts once one is`);
}

type RunName = { workflowId: string; runId: string };

function tellStarted(output: Output, temporal: TemporalClient, run: RunName): void {
  output.note(`started ${run.workflowId}`);
  output.note(`history: ${historyLink(temporal, run)}`);
}

export function tellDetached(output: Output, workflowId: string): number {
  output.note(`Ctrl-C only stopped watching; the run continues. To watch it again:`);
  output.note(`  rstow watch ${workflowId}`);
  return DETACHED;
}
