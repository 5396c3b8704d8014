import type { ConnectedClient, Signer } from '../client/rstow-client.ts';
import type { Workflows, WorkflowType } from '../contract/workflow-types.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { RunKind } from './command.ts';
import { createOutput, type Output } from './output.ts';
import { printResult } from './result.ts';
import { type TemporalClient, type TemporalOptions, withTemporal } from './temporal-client.ts';
import { noteDetached, noteHistory, watchRun } from './watch-run.ts';

export type RunOptions = TemporalOptions & { json?: boolean; wait?: boolean };

export type RunRequest<T extends WorkflowType> = RunKind<T> & {
  /** Parsed already: a wrong input fails before Temporal is asked. */
  input: Workflows[T]['input'];
  /** For what replaces data; undefined if this user has no key: then the run waits for an operator's approval. */
  key?: Signer | undefined;
};

const QUERY_TIMEOUT_MS = 120_000;

/** Starts a run and, unless --no-wait is given, waits for its end. Returns the exit code. Fails: with the run's failure. */
export async function executeRun<T extends WorkflowType>(request: RunRequest<T>, options: RunOptions): Promise<number> {
  const output = createOutput(options.json === true);
  return withTemporal(options, (temporal) => startAndWatch(request, options, { output, temporal }));
}

async function startAndWatch<T extends WorkflowType>(
  { type, input, isQuery, key, isShared = false, resultLines }: RunRequest<T>,
  options: RunOptions,
  { output, temporal }: { output: Output; temporal: TemporalClient },
): Promise<number> {
  const { rstow } = temporal;
  await requireAgents(temporal, isQuery, output);
  const run = await rstow.start(type, input, { signer: key, timeoutMs: isQuery ? QUERY_TIMEOUT_MS : undefined });
  const { workflowId, runId } = run;
  if (options.wait === false) {
    output.result([workflowId], { workflowId, runId });
    return 0;
  }
  if (!isQuery) {
    output.note(`started ${workflowId}`);
    noteHistory(output, temporal, { workflowId, runId });
  }
  const end = await watchRun(run, { output, isOwn: !isShared }).finally(() => (isQuery ? forgetPastQueries(rstow) : undefined));
  if (end.kind === 'detached') return noteDetached(output, workflowId);
  return printResult(output, resultLines, end.result);
}

/** A user who may not list or remove runs has the answer all the same. */
async function forgetPastQueries(rstow: ConnectedClient): Promise<void> {
  await rstow.forgetPastQueries().catch(() => undefined);
}

/** A run without agents would wait in silence. */
async function requireAgents({ rstow, namespace, address }: TemporalClient, isQuery: boolean, output: Output): Promise<void> {
  if (await rstow.hasAgents()) return;
  const sentence = `no agent is connected to Temporal at ${address}`;
  if (isQuery) throw new RstowError('agent-unreachable', sentence, { details: { address, namespace } });
  output.note(`${sentence}; the run starts once one is`);
}
