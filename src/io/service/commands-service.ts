import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { runCommand } from '../process/run-command.ts';
import { runManagerCommand } from './manager-command.ts';
import { outputTail } from './process-files.ts';
import { type Service, STOP_GRACE_MS } from './service.ts';

/** One argv each, run without a shell. The start command sends the server's output elsewhere: nobody reads it here. */
export type CommandsServiceConfig = {
  readonly start: readonly string[];
  readonly stop: readonly string[];
  /** Exits 0 while the server runs. */
  readonly status: readonly string[];
  /** Added to our own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** For each command, and for the server to be gone after the stop command. */
  readonly timeoutMs: number;
};

/** From here on a shell's exit codes say that a command was not run or was ended by a signal. */
const EXIT_CODE_UNANSWERED = 126;
const POLL_MS = 100;

/** A server that the operator's own commands manage. */
export function createCommandsService(config: CommandsServiceConfig): Service {
  const isRunning = () => askStatus(config);
  return {
    isManaged: true,
    stopGraceMs: STOP_GRACE_MS,
    program: undefined,
    logFile: undefined,
    processes: undefined,
    refuseStartsWhile: undefined,
    isRunning,
    start: async () => {
      if (!(await isRunning())) await runOrFail(config, 'start');
    },
    stop: async () => {
      if (!(await isRunning())) return;
      await runOrFail(config, 'stop');
      await waitUntilStopped(config);
    },
    logTail: () => Promise.resolve(''),
  };
}

async function askStatus({ status, env, timeoutMs }: CommandsServiceConfig): Promise<boolean> {
  const { exitCode, stderr } = await runCommand(status, { env, timeoutMs });
  if (exitCode < EXIT_CODE_UNANSWERED) return exitCode === 0;
  throw new RstowError('failed', `the status command ended with ${exitCode}, which says nothing about the server`, {
    details: { exitCode, output: outputTail(stderr) },
  });
}

async function runOrFail(config: CommandsServiceConfig, name: 'start' | 'stop'): Promise<void> {
  const { env, timeoutMs } = config;
  const code = name === 'start' ? 'service-start-failed' : 'service-stop-failed';
  await runManagerCommand(config[name], { what: `the ${name} command`, code, env, timeoutMs });
}

async function waitUntilStopped(config: CommandsServiceConfig): Promise<void> {
  const deadlineMs = performance.now() + config.timeoutMs;
  while (await askStatus(config)) {
    if (performance.now() >= deadlineMs) {
      throw new RstowError('service-stop-failed', `the server still runs ${config.timeoutMs} ms after the stop command ended`);
    }
    await sleep(POLL_MS);
  }
}
