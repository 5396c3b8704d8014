import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { isSameProcessAlive, type ProcessIdentity } from '../src/io/process/proc.ts';
import { type DetachedCommand, signalProcessGroup, spawnDetached } from '../src/io/process/run-command.ts';

export type ChildProgram = {
  pid(): number;
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again, as it was started before, and waits until it is ready. Fails: `failed`. */
  restart(): Promise<void>;
  /** SIGTERM, then SIGKILL. Twice: no-op. */
  stop(): Promise<void>;
};

/** Whether the program is ready, by what it has logged since its start or by asking it. */
export type IsReady = (logText: string) => Promise<boolean> | boolean;

const POLL_MS = 50;
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

/** Starts a program and waits until it is ready. Fails: `failed`, with the end of its log. */
export async function startChildProgram(command: DetachedCommand, isReady: IsReady): Promise<ChildProgram> {
  let identity = await start(command, isReady);
  return {
    pid: () => identity.pid,
    kill: () => end(identity, 'SIGKILL'),
    restart: async () => {
      identity = await start(command, isReady);
    },
    stop: async () => {
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) await end(identity, signal);
    },
  };
}

async function start(command: DetachedCommand, isReady: IsReady): Promise<ProcessIdentity> {
  const before = await readFile(command.logFile, 'utf8').catch(() => '');
  const identity = await spawnDetached(command);
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const logText = (await readFile(command.logFile, 'utf8')).slice(before.length);
    if (await isReady(logText)) return identity;
    const isAlive = await isSameProcessAlive(identity);
    if (!isAlive || performance.now() > deadlineMs) {
      await end(identity, 'SIGKILL');
      const what = isAlive ? 'was not ready in time' : 'ended';
      throw new RstowError('failed', `${command.command[0] ?? ''} ${what}; its log ends with: ${logText.trim().slice(-500)}`);
    }
    await sleep(POLL_MS);
  }
}

/** Waits for the end; a program that outlives the signal for 15 s is left to the next one. */
async function end(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
  if (await isSameProcessAlive(identity)) signalProcessGroup(identity.pid, signal);
  while ((await isSameProcessAlive(identity)) && performance.now() < deadlineMs) await sleep(POLL_MS);
}

/** Ports of 127.0.0.1 that nobody listens on now, each another one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
