/** Runs the steps of `npm run check` two at a time and prints each one's output whole, in the order in which they end. */
import { spawn } from 'node:child_process';

type Step = { name: string; command: string; args: string[] };
type StepResult = { step: Step; passed: boolean; output: string; tookMs: number };

const steps: Step[] = [
  { name: 'lint', command: 'eslint', args: ['.'] },
  { name: 'bundle', command: 'node', args: ['scripts/bundle-workflows.ts'] },
  { name: 'types', command: 'tsc', args: ['--noEmit'] },
  { name: 'format', command: 'prettier', args: ['--check', '--log-level=warn', '.'] },
  { name: 'edges', command: 'depcruise', args: ['src', '--output-type', 'err-long'] },
  { name: 'unused', command: 'knip', args: [] },
  { name: 'unit and replay tests', command: 'vitest', args: ['run', '--project', 'unit', '--project', 'replay', '--reporter=dot'] },
];

const parallelSteps = 2;

function run(step: Step): Promise<StepResult> {
  const startedAtMs = performance.now();
  const child = spawn(step.command, step.args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    const end = (passed: boolean) => {
      resolve({ step, passed, output: Buffer.concat(chunks).toString(), tookMs: performance.now() - startedAtMs });
    };
    child.on('close', (code) => end(code === 0));
    child.on('error', (error) => {
      chunks.push(Buffer.from(`${error.message}\n`));
      end(false);
    });
  });
}

function print({ step, passed, output, tookMs }: StepResult): void {
  if (!passed) process.stdout.write(`\n${output.trimEnd()}\n`);
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${step.name} (${(tookMs / 1000).toFixed(1)} s)`);
}

const waiting = [...steps];
const failed: string[] = [];

async function runWaiting(): Promise<void> {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const result = await run(step);
    print(result);
    if (!result.passed) failed.push(step.name);
  }
}

await Promise.all(Array.from({ length: parallelSteps }, runWaiting));
console.log(failed.length === 0 ? 'check: all hold' : `check: failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
