import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import { countedText, durationText, sizeText, timeText } from '../core/text/figures.ts';

/** Figures as people read them, and ages, which need a clock. */
export { countedText, countText, durationText, sizeText, timeText } from '../core/text/figures.ts';

const AGE_UNITS = [
  { name: 'd', ms: 86_400_000, min: 2 },
  { name: 'h', ms: 3_600_000, min: 1 },
  { name: 'min', ms: 60_000, min: 1 },
  { name: 's', ms: 1000, min: 1 },
];

/** `2 h ago`, in the largest unit that fits; days from two on. A time to come is `in 3 d`, so that a wrong clock is seen. */
export function ageText(timeMs: number, nowMs = Date.now()): string {
  const distanceMs = Math.abs(nowMs - timeMs);
  const unit = AGE_UNITS.find(({ ms, min }) => distanceMs >= ms * min);
  if (unit === undefined) return 'now';
  const age = `${Math.floor(distanceMs / unit.ms)} ${unit.name}`;
  return timeMs > nowMs ? `in ${age}` : `${age} ago`;
}

/** `2026-11-24 10:15:00Z (2 h ago)`. */
export function whenText(timeMs: number, nowMs = Date.now()): string {
  return `${timeText(timeMs)} (${ageText(timeMs, nowMs)})`;
}

/** `15 min`, `2 h`, `90 s`: as it was asked for. */
export function intervalText(intervalMs: number): string {
  for (const [unit, unitMs] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const) {
    if (intervalMs >= unitMs && intervalMs % unitMs === 0) return `${intervalMs / unitMs} ${unit}`;
  }
  return durationText(intervalMs);
}

/** `3 segments, 12.3 MB, up to offset 3298534895616`. */
export function logText({ segments, sizeBytes, end }: ExtentsSummary): string {
  return `${countedText(segments, 'segment')}, ${sizeText(sizeBytes)}, up to offset ${end}`;
}

type Holdings = { records?: number; machines?: number; instances?: number };

/** `749 records: 1 machine, 190 instances`. */
export function holdsText({ records, machines = 0, instances = 0 }: Holdings): string {
  const state = `${countedText(machines, 'machine')}, ${countedText(instances, 'instance')}`;
  return records === undefined ? state : `${countedText(records, 'record')}: ${state}`;
}
