import type { WorkflowExecutionDescription } from '@temporalio/client';
import { sizeText } from './size-text.ts';

/** What describing a run tells, without a live worker. */
export type RunProgress = {
  /** The step at work, in words, such as `store segments`. */
  step: string;
  attempt: number;
  /** The agent at work; absent until one has taken the step up. */
  host?: string;
  /** What the step last said of itself. */
  facts: Record<string, string | number | undefined>;
  /** Why the last attempt failed. */
  lastFailure?: string;
};

type Pending = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

/** Undefined while no step is at work. */
export function runProgress({ raw }: WorkflowExecutionDescription): RunProgress | undefined {
  const pending = raw.pendingActivities?.[0];
  if (pending === undefined) return undefined;
  const { lastWorkerIdentity: host, lastFailure } = pending;
  return {
    step: stepText(pending.activityType?.name ?? 'step'),
    attempt: pending.attempt ?? 1,
    ...(host === undefined || host === null || host === '' ? {} : { host }),
    facts: factsOf(pending),
    ...(typeof lastFailure?.message === 'string' ? { lastFailure: lastFailure.message } : {}),
  };
}

/** `store segments · segment 3, 12.1 MB · 8.0 MB/s · attempt 2 · on db1`; `elapsedMs` since the progress before. */
export function progressText(progress: RunProgress, before: RunProgress | undefined, elapsedMs: number): string {
  const { step, attempt, host, facts, lastFailure } = progress;
  const told = Object.entries(facts).map(([name, value]) => (isBytes(name, value) ? sizeText(value) : `${name} ${value}`));
  const rate = before?.step === step ? rateText(facts, before.facts, elapsedMs) : undefined;
  return [
    step,
    told.join(', '),
    rate,
    attempt > 1 ? `attempt ${attempt}` : '',
    host === undefined ? '' : `on ${host}`,
    attempt > 1 && lastFailure !== undefined ? `after: ${lastFailure}` : '',
  ]
    .filter((part) => part !== undefined && part !== '')
    .join(' · ');
}

function rateText(facts: RunProgress['facts'], before: RunProgress['facts'], elapsedMs: number): string | undefined {
  const name = Object.keys(facts).find((key) => isBytes(key, facts[key]));
  const [now, then] = name === undefined ? [] : [facts[name], before[name]];
  if (typeof now !== 'number' || typeof then !== 'number' || now <= then || elapsedMs <= 0) return undefined;
  return `${sizeText(Math.round(((now - then) * 1000) / elapsedMs))}/s`;
}

function isBytes(name: string, value: unknown): value is number {
  return typeof value === 'number' && /bytes/i.test(name);
}

function stepText(activityType: string): string {
  return activityType.replaceAll(/([A-Z])/g, (_match, letter: string) => ` ${letter.toLowerCase()}`);
}

/** Heartbeats are JSON that our own activities report; anything else says nothing. */
function factsOf(pending: Pending): RunProgress['facts'] {
  const data = pending.heartbeatDetails?.payloads?.[0]?.data;
  if (data === undefined || data === null) return {};
  try {
    const facts: unknown = JSON.parse(new TextDecoder().decode(data));
    return typeof facts === 'object' && facts !== null ? (facts as RunProgress['facts']) : {};
  } catch {
    return {};
  }
}
