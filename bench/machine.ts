import { cpus, loadavg, release, totalmem } from 'node:os';
import type { BenchResult } from './report/result.ts';

const BYTES_PER_GB = 1_000_000_000;

export function thisMachine(): BenchResult['machine'] {
  return {
    cpus: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / BYTES_PER_GB),
    kernel: release(),
    node: process.version,
    loadAverage: loadavg().map((load) => Math.round(load * 10) / 10),
  };
}
