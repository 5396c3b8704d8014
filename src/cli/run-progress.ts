import type { WorkflowExecutionDescription } from '@temporalio/client';
import { durationText, sizeText } from './size-text.ts';

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
  /** When a step that failed is tried again, Unix ms. */
  nextTryAtMs?: number;
  /** When the agent at work was heard last, Unix ms. */
  heardAtMs?: number;
};

/** Where a step's figures stood when it was first seen. */
export type RateSince = { step: string; doneBytes: number; seenAtMs: number };

type Pending = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];
type Timestamp = { seconds?: unknown; nanos?: number | null } | null | undefined;

/** Undefined while no step is at work. */
export function runProgress({ raw }: WorkflowExecutionDescription): RunProgress | undefined {
  const pending = raw.pendingActivities?.[0];
  if (pending === undefined) return undefined;
  const { lastWorkerIdentity: host, lastFailure } = pending;
  const nextTryAtMs = pending.lastStartedTime && !isAtWork(pending) ? timeMs(pending.scheduledTime) : undefined;
  const heardAtMs = isAtWork(pending) ? (timeMs(pending.lastHeartbeatTime) ?? timeMs(pending.lastStartedTime)) : undefined;
  return {
    step: stepText(pending.activityType?.name ?? 'step'),
    attempt: pending.attempt ?? 1,
    ...(host === undefined || host === null || host === '' ? {} : { host }),
    facts: factsOf(pending),
    ...(typeof lastFailure?.message === 'string' ? { lastFailure: lastFailure.message } : {}),
    ...(nextTryAtMs === undefined ? {} : { nextTryAtMs }),
    ...(heardAtMs === undefined ? {} : { heardAtMs }),
  };
}

/** temporal.api.enums.v1.PendingActivityState: started. */
const STARTED = 2;

function isAtWork({ state }: Pending): boolean {
  return Number(state) === STARTED;
}

function timeMs(time: Timestamp): number | undefined {
  return time === undefined || time === null ? undefined : Number(time.seconds ?? 0) * 1000 + (time.nanos ?? 0) / 1_000_000;
}

/** A step is heard each second; whoever is silent for so long may be gone. */
const SILENT_MS = 5_000;

/** `store segments · 12.1 MB of 80.0 MB (15 %) · 8.0 MB/s · 8.5 s left · on db1`. */
export function progressText(progress: RunProgress, since: RateSince | undefined, nowMs: number): string {
  const { step, attempt, host, facts, nextTryAtMs, heardAtMs } = progress;
  const silentMs = heardAtMs === undefined ? 0 : nowMs - heardAtMs;
  const parts = [
    step,
    attempt > 1 ? `attempt ${attempt}` : '',
    nextTryAtMs !== undefined && nextTryAtMs > nowMs ? `next try in ${secondsText(nextTryAtMs - nowMs)}` : '',
    silentMs > SILENT_MS ? `nothing heard for ${secondsText(silentMs)}` : '',
    ...figures(facts, since, nowMs),
    host === undefined ? '' : `on ${host.replace(/ \(.*$/, '')}`,
    facts['doing'] === undefined ? '' : String(facts['doing']),
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

/** What is done of how much, how fast, and how long the rest takes at that speed. */
function figures({ doneBytes, totalBytes }: RunProgress['facts'], since: RateSince | undefined, nowMs: number): string[] {
  if (typeof doneBytes !== 'number') return [];
  const elapsedMs = since === undefined ? 0 : nowMs - since.seenAtMs;
  const gained = since === undefined ? 0 : doneBytes - since.doneBytes;
  const perSecond = elapsedMs > 0 && gained > 0 ? (gained * 1000) / elapsedMs : 0;
  const rate = perSecond === 0 ? [] : [`${sizeText(Math.round(perSecond))}/s`];
  if (typeof totalBytes !== 'number' || totalBytes <= 0) return [sizeText(doneBytes), ...rate];
  const done = `${sizeText(doneBytes)} of ${sizeText(totalBytes)} (${Math.floor((100 * doneBytes) / totalBytes)} %)`;
  const left = perSecond === 0 || doneBytes >= totalBytes ? [] : [`${secondsText(((totalBytes - doneBytes) * 1000) / perSecond)} left`];
  return [done, ...rate, ...left];
}

/** In whole seconds: a figure that changes each second needs no tenths. */
function secondsText(spanMs: number): string {
  return spanMs < 59_500 ? `${Math.max(1, Math.round(spanMs / 1000))} s` : durationText(spanMs);
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
