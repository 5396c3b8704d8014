import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { CommonResult } from '../contract/result.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Output } from './output.ts';
import { createProgressShower, waitsForAgent } from './progress-shower.ts';

export type WatchEnd = { kind: 'ended'; result: CommonResult } | { kind: 'detached' };

const POLL_MS = 1000;

/** A run that nobody has begun by then is taken back, if it is the watcher's own. */
const TAKE_UP_MS = 15_000;

export type Watching = {
  output: Output;
  /** Whether this command has started the run, and nobody else can be waiting for it. */
  isOwn: boolean;
};

/**
 * Waits for the run's end and shows where it is; Ctrl-C ends the watching, at once, and not the run.
 * Fails: with the run's own failure; agent-unreachable, where no agent has begun a run of the watcher's own.
 */
export async function watchRun(client: Client, handle: WorkflowHandle, { output, isOwn }: Watching): Promise<WatchEnd> {
  const watching = new AbortController();
  const { promise: detached, resolve: detach, reject: fail } = Promise.withResolvers<WatchEnd>();
  const onInterrupt = (): void => detach({ kind: 'detached' });
  process.once('SIGINT', onInterrupt);
  const showing = showProgress(handle, output, watching.signal);
  const begun = isOwn ? takeBackUnlessBegun(handle, watching.signal).catch(fail) : undefined;
  try {
    const result = client.withAbortSignal(watching.signal, () => handle.result());
    const ended = result.then((value): WatchEnd => ({ kind: 'ended', result: value as CommonResult }));
    return await Promise.race([ended, detached]);
  } finally {
    process.off('SIGINT', onInterrupt);
    watching.abort();
    await Promise.all([showing, begun]);
    output.endProgress();
  }
}

/** A describe that fails shows nothing: the result's own wait says what is wrong. */
async function showProgress(handle: WorkflowHandle, output: Output, signal: AbortSignal): Promise<void> {
  const show = createProgressShower(handle, output);
  for (;;) {
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const description = await handle.describe().catch(() => undefined);
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may be aborted while we asked
    if (description !== undefined && !signal.aborted) await show(description);
  }
}

/** Nothing was done in a run that no worker has ever taken up: ending it loses nothing. Fails: agent-unreachable. */
async function takeBackUnlessBegun(handle: WorkflowHandle, signal: AbortSignal): Promise<void> {
  await sleep(TAKE_UP_MS, undefined, { signal }).catch(() => undefined);
  if (signal.aborted) return;
  const description = await handle.describe().catch(() => undefined);
  if (description === undefined || description.historyLength > NEW_LENGTH || !waitsForAgent(description, Date.now())) return;
  await handle.terminate('no agent took the run up').catch(() => undefined);
  const sentence = `no agent took the run up for ${TAKE_UP_MS / 1000} s, and it was ended before it began: no agent is up`;
  throw new RstowError('agent-unreachable', sentence, { details: { workflowId: handle.workflowId } });
}

/** The events of a run that was started and no more. */
const NEW_LENGTH = 2;
