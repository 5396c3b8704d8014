import { type Activities, verbs } from '../activities/activities.ts';
import type { ActivityBody } from '../activities/activity.ts';
import type { ActivityDeps } from '../activities/activity-deps.ts';
import type { RunPort } from '../activities/run-port.ts';
import { AssertionError } from '../core/errors/assert.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** The activities' bodies under their own names, without Temporal: each works for this run, and fails with RstowErrors. */
export function boundActivities(deps: ActivityDeps, run: RunPort): Activities {
  const bound = Object.entries(verbs).map(([name, make]) => {
    const body = make(deps) as ActivityBody<unknown, unknown>;
    return [name, (input: unknown) => carryOut(() => body(input, run), run.signal)];
  });
  return Object.fromEntries(bound) as Activities;
}

async function carryOut<T>(body: () => Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  try {
    return await body();
  } catch (error) {
    // A failure with a code says more than that somebody interrupted: it may be why the server is not up.
    if (error instanceof RstowError) throw error;
    signal.throwIfAborted();
    if (error instanceof AssertionError) throw new RstowError('bug', error.message, { cause: error });
    throw new RstowError('failed', error instanceof Error ? error.message : String(error), { cause: error });
  }
}
