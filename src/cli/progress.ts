import type { RunState, RunStep } from '../client/rstow-client.ts';
import type { LocalWatcher } from '../local/local-run.ts';
import { durationText, sizeText, timeText } from './figures.ts';
import type { Output } from './output.ts';

/** Where a step's figures stood when it was first seen. */
export type RateSince = { step: string; doneBytes: number; seenAtMs: number };

/** Shows where a run is, each time it is asked. */
export function createProgressShower(workflowId: string, output: Output): (state: RunState) => void {
  const noteOnce = createOnceNoter(output);
  let since: RateSince | undefined;
  return ({ startsAtMs, isWaitingForAgent, step, progress }) => {
    if (startsAtMs !== undefined) return output.progress(`waiting to start at ${timeText(startsAtMs)}`, { workflowId, startsAtMs });
    if (isWaitingForAgent) return output.progress('waiting for an agent to take the run up', { workflowId });
    if (step === undefined) {
      // While no step is at work, the run itself says where it is; what it waits for is printed once, on a line that stays.
      const { phase = 'between two steps', waitsFor } = progress ?? {};
      if (waitsFor !== undefined) noteOnce(`${phase}: ${waitsFor}`);
      return output.progress(phase, { workflowId, ...progress });
    }
    const nowMs = Date.now();
    since = rateSince(since, step, nowMs);
    if (step.lastFailure !== undefined)
      noteOnce(`${step.step} has failed and is tried again: ${step.lastFailure.replace(/^failed: /, '')}`);
    output.progress(progressText(step, since, nowMs), { workflowId, ...step });
  };
}

/** What stays on the screen is said once, until something else was. */
function createOnceNoter(output: Output): (line: string) => void {
  let noted: string | undefined;
  return (line) => {
    if (line !== noted) output.note(line);
    noted = line;
  };
}

function rateSince(since: RateSince | undefined, { step, facts }: RunStep, nowMs: number): RateSince | undefined {
  const { doneBytes } = facts;
  if (typeof doneBytes !== 'number') return since?.step === step ? since : undefined;
  return since?.step === step && since.doneBytes <= doneBytes ? since : { step, doneBytes, seenAtMs: nowMs };
}

const LOCAL_INTERVAL_MS = 500;

/** Shows a run of this very process: its phases as lines, the figures of its steps as one that is overwritten. */
export function createLocalWatcher(output: Output): LocalWatcher {
  let since: RateSince | undefined;
  let shownAtMs = 0;
  return {
    phase: (phase) => output.note(phase),
    report: (phase, facts) => {
      const nowMs = Date.now();
      if (nowMs - shownAtMs < LOCAL_INTERVAL_MS) return;
      const progress: RunStep = { step: phase, attempt: 1, facts };
      if (since?.step !== phase && typeof facts.doneBytes === 'number')
        since = { step: phase, doneBytes: facts.doneBytes, seenAtMs: nowMs };
      output.progress(progressText(progress, since, nowMs), progress);
      shownAtMs = nowMs;
    },
  };
}

/** A step reports each second; an agent that is silent for so long may be gone. */
const SILENT_MS = 5_000;

/** `store segments · 12.1 MB of 80.0 MB (15 %) · 8.0 MB/s · 8.5 s left · on db1`. */
export function progressText(progress: RunStep, since: RateSince | undefined, nowMs: number): string {
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
function figures({ doneBytes, totalBytes }: RunStep['facts'], since: RateSince | undefined, nowMs: number): string[] {
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
