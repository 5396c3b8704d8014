import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectedClient, RunHandle, Signer } from '../client/rstow-client.ts';
import type { Workflows, WorkflowType } from '../contract/workflow-types.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { RunKind } from './command.ts';
import { createOutput, type Output, printResult } from './output.ts';
import { type TemporalClient, type TemporalOptions, withTemporal } from './temporal-client.ts';
import { createProgressShower } from './progress.ts';

export type RunOptions = TemporalOptions & { json?: boolean; wait?: boolean };

export type RunRequest<T extends WorkflowType> = RunKind<T> & {
  /** Parsed already: a wrong input fails before Temporal is asked. */
  input: Workflows[T]['input'];
  /** For what replaces data; undefined if this user has no key: then the run waits for an operator's approval. */
  key?: Signer | undefined;
  /** Prints the result in a form of its own, and gives the exit code. */
  print?: (result: Workflows[T]['result']) => Promise<number>;
};

const QUERY_TIMEOUT_MS = 120_000;

/** Starts a run and, unless --no-wait is given, waits for its end. Returns the exit code. Fails: with the run's failure. */
export async function executeRun<T extends WorkflowType>(request: RunRequest<T>, options: RunOptions): Promise<number> {
  const output = createOutput(options.json === true);
  return withTemporal(options, (temporal) => startAndWatch(request, options, { output, temporal }));
}

async function startAndWatch<T extends WorkflowType>(
  { type, input, isQuery, answerMs = QUERY_TIMEOUT_MS, key, isShared = false, resultLines, print }: RunRequest<T>,
  options: RunOptions,
  { output, temporal }: { output: Output; temporal: TemporalClient },
): Promise<number> {
  const { rstow } = temporal;
  await requireAgents(temporal, isQuery, output);
  const run = await rstow.start(type, input, { signer: key, timeoutMs: isQuery ? answerMs : undefined });
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
  return print === undefined ? printResult(output, resultLines, end.result) : print(end.result);
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

export type WatchEnd<T extends WorkflowType> = { kind: 'ended'; result: Workflows[T]['result'] } | { kind: 'detached' };

const POLL_MS = 1000;

/** A run that nobody has begun by then is taken back, if it is the watcher's own. */
const TAKE_BACK_MS = 15_000;
const TAKE_BACK_AGAIN_MS = 5_000;

export type Watching = {
  output: Output;
  /** Whether this command has started the run, and nobody else can be waiting for it. */
  isOwn: boolean;
};

/**
 * Waits for the run's end and shows where it is; Ctrl-C ends the watching, at once, and not the run.
 * Fails: with the run's own failure; agent-unreachable, if no agent has begun a run of the watcher's own.
 */
export async function watchRun<T extends WorkflowType>(run: RunHandle<T>, { output, isOwn }: Watching): Promise<WatchEnd<T>> {
  const watching = new AbortController();
  const { promise: detached, resolve: detach } = Promise.withResolvers<WatchEnd<T>>();
  const onInterrupt = (): void => detach({ kind: 'detached' });
  process.once('SIGINT', onInterrupt);
  // Nobody waits for it: a question that an agent was to answer may hang for a while when that agent has died.
  void showProgress(run, output, watching.signal);
  const takeBack = isOwn ? takeBackUnlessBegun(run, watching.signal) : undefined;
  try {
    const ended = run.result(watching.signal).then(
      (result): WatchEnd<T> => ({ kind: 'ended', result }),
      async (error: unknown) => {
        throw (await takeBack?.reason()) ?? error;
      },
    );
    return await Promise.race([ended, detached]);
  } finally {
    process.off('SIGINT', onInterrupt);
    watching.abort();
    output.endProgress();
  }
}

/** A question that fails shows nothing: the result's own wait says what is wrong. */
async function showProgress(run: RunHandle, output: Output, signal: AbortSignal): Promise<void> {
  const show = createProgressShower(run.workflowId, output);
  for (;;) {
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const state = await run.state().catch(() => undefined);
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may be aborted while we asked
    if (state !== undefined && !signal.aborted) show(state);
  }
}

/** `reason`: why this command has ended the run; undefined if it has not. */
type TakeBack = { reason(): Promise<RstowError | undefined> };

/** Nothing was done in a run that no worker has ever taken up: ending it loses nothing. */
function takeBackUnlessBegun(run: RunHandle, signal: AbortSignal): TakeBack {
  let asked = Promise.resolve(false);
  const ask = async (): Promise<void> => {
    await sleep(TAKE_BACK_MS, undefined, { signal }).catch(() => undefined);
    // Temporal may have given the run's first task to an agent that had just died, and gives it out again.
    while (!signal.aborted && !(await (asked = run.withdraw('no agent took the run up').catch(() => false)))) {
      await sleep(TAKE_BACK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  void ask();
  const sentence = `no agent took the run up for ${TAKE_BACK_MS / 1000} s, and it was ended before it began: no agent is up`;
  return {
    reason: async () => {
      return (await asked) ? new RstowError('agent-unreachable', sentence, { details: { workflowId: run.workflowId } }) : undefined;
    },
  };
}

/** Exit code of a command that stopped watching and left the run alone. */
const DETACHED = 130;

/** Returns the exit code. */
export function noteDetached(output: Output, workflowId: string): number {
  output.note(`Ctrl-C only stopped watching; the run continues. To watch it again:`);
  output.note(`  rstow watch ${workflowId}`);
  return DETACHED;
}

/** Where a person finds the run's history: in the UI if its address is known, else by a command. */
export function noteHistory(output: Output, { ui, address, namespace }: TemporalClient, run: { workflowId: string; runId: string }): void {
  const { workflowId, runId } = run;
  if (ui === undefined)
    return output.link('history', `temporal workflow describe -w ${workflowId} --address ${address} --namespace ${namespace}`);
  const [space, workflow] = [namespace, workflowId].map(encodeURIComponent);
  const link = `${ui.replace(/\/+$/, '')}/namespaces/${space}/workflows/${workflow}`;
  output.link('history', ONE_RUN.test(workflowId) ? link : `${link}/${runId}/history`);
}

/** An id that only one run has: the link to it needs no run id. */
const ONE_RUN = /\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
