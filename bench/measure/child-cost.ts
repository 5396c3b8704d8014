import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cost } from './cost.ts';

const KB_PER_MB = 1024;
const OUTPUT_SIZE_BYTES_MAX = 16 * 1024 * 1024;

const run = promisify(execFile);

/** Runs a shell script under GNU time, which counts all its descendants, and measures it. Fails where the script fails. */
export async function childCost(script: string, options: { env: Record<string, string>; reportDir: string }): Promise<Cost> {
  const reportFile = join(options.reportDir, 'time.txt');
  const args = ['-o', reportFile, '-f', '%U %S %e %M', 'sh', '-euc', script];
  await run('/usr/bin/time', args, { env: { ...process.env, ...options.env }, maxBuffer: OUTPUT_SIZE_BYTES_MAX });
  const [user, system, wall, peakKb] = (await readFile(reportFile, 'utf8')).trim().split(' ').map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { cpuSeconds: user + system, wallSeconds: wall, peakRssMb: peakKb / KB_PER_MB };
}
