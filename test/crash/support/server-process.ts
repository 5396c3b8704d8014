/** The database's own server as a process, to make it slow to stop; and a loop that starts others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openServer } from '../../../src/database/database.ts';
import { startServer } from '../../../src/database/server-start.ts';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';
import { endHolders } from '../../../src/io/service/prove-stopped.ts';
import { ping } from '../../../src/io/rstmdb/server.ts';
import type { DatabaseStack } from '../../support/database-stack.ts';
import { toolPath } from '../../support/tools.ts';
import { freezeProcess } from '../../support/freeze-process.ts';

const POLL_MS = 20;
const UP_TIMEOUT_MS = 180_000;

/** `isToldToStop`: a SIGINT waits for it. */
export type FrozenServer = { thaw: () => void; isToldToStop: () => boolean };

/** Holds the server, so that a stop takes until `thaw`, or until the service's patience is over. */
export async function freezeServer(stack: DatabaseStack): Promise<FrozenServer> {
  const { pid } = JSON.parse(readFileSync(join(stack.folder, 'service/service.json'), 'utf8')) as { pid: number };
  await freezeProcess(pid);
  return { thaw: () => void process.kill(pid, 'SIGCONT'), isToldToStop: () => isPending(pid, constants.signals.SIGINT) };
}

/** @see proc_pid_status(5): ShdPnd is a mask, in hex, of the signals that wait for the process. */
function isPending(pid: number, signal: number): boolean {
  const [, mask = '0'] = /^ShdPnd:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

export async function answers({ settings, config }: DatabaseStack): Promise<boolean> {
  const timing = { ...config.timing, serverRequestMs: 500 };
  try {
    await openServer(settings, timing).ask(ping);
    return true;
  } catch (error) {
    if (error instanceof RstowError) return false;
    throw error;
  }
}

/** How long it takes from now until the server answers. Ask once it has been seen down. */
export async function msUntilItAnswers(stack: DatabaseStack): Promise<number> {
  const sinceMs = performance.now();
  while (!(await answers(stack))) {
    if (performance.now() > sinceMs + UP_TIMEOUT_MS) throw new Error(`no server answers after ${UP_TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
  return performance.now() - sinceMs;
}

export async function seenDown(stack: DatabaseStack): Promise<void> {
  while (await answers(stack)) await sleep(POLL_MS);
}

/** Somebody's own loop that starts the server whenever it has ended. `stop` gives the database back to its service. */
export function startRestartLoop(stack: DatabaseStack): { stop: () => Promise<void> } {
  const { service } = stack.settings;
  const env = service.kind === 'process' ? service.env : {};
  const script = `while true; do ${toolPath('rstmdb')}; sleep 0.05; done`;
  const loop: ChildProcess = spawn('sh', ['-c', script], { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    loop.kill('SIGKILL');
    await stack.service.stop();
    await endHolders(stack.dataDir, { graceMs: 5000 });
    await startServer(openServer(stack.settings, stack.config.timing));
  };
  return { stop };
}
