/** What a process has cost until now, by Linux's /proc. */
import { readFileSync } from 'node:fs';

export type Usage = { cpuSeconds: number; rssMb: number; pssMb: number };

/** 100 a second on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;

export function usageOf(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (name: string): number => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]) / 1024);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    rssMb: megabytes('Rss'),
    pssMb: megabytes('Pss'),
  };
}
