import { timeText } from '../core/text/figures.ts';

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
