import { readFileSync, writeFileSync } from 'node:fs';
import type { Cost } from './cost.ts';

const KB_PER_MB = 1024;
const MICROSECONDS_PER_SECOND = 1_000_000;

/** Measures a step that runs in this very process; `idleRssMb` is what the process needs anyway. */
export async function ownCost(idleRssMb: number, work: () => Promise<unknown>): Promise<Cost> {
  resetPeak();
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    cpuSeconds: (user + system) / MICROSECONDS_PER_SECOND,
    wallSeconds: (performance.now() - startedAtMs) / 1000,
    peakRssMb: statusMb('VmHWM') - idleRssMb,
  };
}

/** The resident size of this process. */
export function residentMb(): number {
  return statusMb('VmRSS');
}

/** @see proc(5), /proc/pid/clear_refs: 5 resets the peak to the present size. */
function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

function statusMb(field: 'VmHWM' | 'VmRSS'): number {
  const line = readFileSync('/proc/self/status', 'utf8')
    .split('\n')
    .find((text) => text.startsWith(field));
  return Number(line?.replaceAll(/[^0-9]/g, '')) / KB_PER_MB;
}
