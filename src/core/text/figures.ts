/** Figures as people read them; workflows use them too. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `12.3 MB`: decimal units, as disks are sold. */
export function sizeText(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (rounded(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** As it is printed: 999,960 bytes are 1.0 MB, not 1000.0 kB. */
function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

/** `850 ms`, `12.3 s`, `4 min 10 s`, `2 h 5 min`. */
export function durationText(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 59_950) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `2026-11-24 10:15:00Z`. */
export function timeText(timeMs: number): string {
  return new Date(timeMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.[0-9]+/, '');
}

export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 segment`, `1,200 segments`. */
export function countedText(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;
}
