/** `rstow …` as a person types it on a database's host. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ProgramEnd, runProgram } from './run-program.ts';

const CLI_MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const POLL_MS = 5;
const ARGS = ['--disable-warning=ExperimentalWarning', CLI_MAIN];

export function rstow(args: readonly string[], env: Record<string, string> = {}): Promise<ProgramEnd> {
  return runProgram(process.execPath, [...ARGS, ...args], { env });
}

/** The one summary among the lines that `--json` gives. */
export function summaryOf({ stdout, stderr }: ProgramEnd): Record<string, unknown> {
  const messages = stdout.split('\n').map((line) => (line === '' ? {} : (JSON.parse(line) as Record<string, unknown>)));
  const summary = messages.find((message) => message['message_type'] === 'summary');
  if (summary === undefined) throw new Error(`there is no summary; stderr:\n${stderr}`);
  return summary;
}

/** Starts it, sends the signal as soon as `isReached` says so of its stderr, and waits for its end. Throws where it ended before. */
export async function interruptRstow(
  args: readonly string[],
  at: { isReached: (stderr: string) => boolean; signal: NodeJS.Signals },
): Promise<ProgramEnd> {
  const startedAtMs = performance.now();
  const child: ChildProcess = spawn(process.execPath, [...ARGS, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const signalled = { isDone: false };
  const watch = setInterval(() => {
    if (!signalled.isDone && at.isReached(text.stderr)) signalled.isDone = child.kill(at.signal);
  }, POLL_MS);
  await once(child, 'close');
  clearInterval(watch);
  if (!signalled.isDone) throw new Error(`it ended before it was interrupted; stderr:\n${text.stderr}`);
  return { exitCode: child.exitCode ?? 128, ...text, durationMs: performance.now() - startedAtMs };
}
