import { readFileSync, writeFileSync } from 'node:fs';
import type { Cost } from './cost.ts';

const KB_PER_MB = 1024;
/** What Linux counts CPU time in, everywhere. @see proc(5), _SC_CLK_TCK */
const TICKS_PER_SECOND = 100;
/** Of the fields behind the command's name: utime, stime, and those of children that were waited for. */
const CPU_FIELDS = [11, 12, 13, 14];

/** Measures what another process and its children spend while `work` runs; memory on top of what it needs before. */
export async function processCost(pid: number, work: () => Promise<unknown>): Promise<Cost> {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const idleRssMb = statusMb(pid, 'VmRSS');
  const cpuBefore = cpuSeconds(pid);
  const startedAtMs = performance.now();
  await work();
  return {
    cpuSeconds: cpuSeconds(pid) - cpuBefore,
    wallSeconds: (performance.now() - startedAtMs) / 1000,
    peakRssMb: statusMb(pid, 'VmHWM') - idleRssMb,
  };
}

function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return CPU_FIELDS.reduce((sum, index) => sum + Number(fields[index]), 0) / TICKS_PER_SECOND;
}

function statusMb(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8')
    .split('\n')
    .find((text) => text.startsWith(field));
  return Number(line?.replaceAll(/[^0-9]/g, '')) / KB_PER_MB;
}
