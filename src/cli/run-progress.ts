import type { RunStep } from '../client/rstow-client.ts';
import { durationText, sizeText } from './size-text.ts';

/** Where a step's figures stood when it was first seen. */
export type RateSince = { step: string; doneBytes: number; seenAtMs: number };

/** A step is heard each second; whoever is silent for so long may be gone. */
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
