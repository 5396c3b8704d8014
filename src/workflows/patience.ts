import { ActivityFailure, ApplicationFailure, sleep } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import { type ErrorCode, errorRow, isErrorCode } from '../core/errors/error-table.ts';

/** The verbs, each tried again while trying again can help: for `patienceMs` after its first failure, and no longer. */
export function patient(verbs: Activities, { timing }: Place): Activities {
  const verbOf = (_target: object, name: string | symbol) => (input: unknown) => {
    const verb = verbs[name as keyof Activities] as (input: unknown) => Promise<unknown>;
    return tryAgain(() => verb(input), timing);
  };
  return new Proxy({}, { get: verbOf }) as Activities;
}

async function tryAgain<T>(attempt: () => Promise<T>, { patienceMs, retryInitialMs, retryMaxMs }: Place['timing']): Promise<T> {
  let untilMs: number | undefined;
  for (let waitMs = retryInitialMs; ; waitMs = Math.min(2 * waitMs, retryMaxMs)) {
    try {
      return await attempt();
    } catch (error) {
      const reason = passingReason(error);
      untilMs ??= Date.now() + patienceMs;
      if (reason === undefined || Date.now() + waitMs > untilMs) throw error;
      await sleep(waitMs, { summary: `then try again: ${reason}` });
    }
  }
}

/** Why a step failed, where trying again can help. */
export function passingReason(error: unknown): string | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof ApplicationFailure) || !isErrorCode(cause.type ?? '')) return undefined;
  return errorRow(cause.type as ErrorCode).retryable ? cause.message.slice(0, REASON_LENGTH_MAX) : undefined;
}

/** Of a timer's summary. */
const REASON_LENGTH_MAX = 150;
