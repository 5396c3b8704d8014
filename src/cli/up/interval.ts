import { InvalidArgumentError } from 'commander';

export const DEFAULT_INTERVAL = '15m';

const UNITS_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MIN_MS = 10_000;
const MAX_MS = 366 * 86_400_000;

/** `15m`, `1h`, `90s`, `1d`, or `never`, which is undefined. */
export function parseInterval(text: string): number | undefined {
  if (text === 'never') return undefined;
  const [, count, unit = ''] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? [];
  const intervalMs = Number(count) * (UNITS_MS[unit] ?? Number.NaN);
  if (intervalMs >= MIN_MS && intervalMs <= MAX_MS) return intervalMs;
  throw new InvalidArgumentError('It must look like 15m, 1h or 1d and be at least 10s, or be "never".');
}

/** The text itself, for a command line that is printed again. */
export function checkedInterval(text: string): string {
  parseInterval(text);
  return text;
}
