/** A real Temporal server for tests, whose runs outlive it in a database file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { freePort } from './free-port.ts';
import { toolPath } from './tools.ts';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

export type TemporalServer = {
  address: string;
  pid: () => number;
  /** Ends it as a crash would; the database file stays. */
  kill: () => Promise<void>;
  /** Starts it again on the same port and database. */
  start: () => Promise<void>;
  /** Ends it and removes its files. Twice: no-op. */
  stop: () => Promise<void>;
};

/** Starts the `temporal` on PATH and waits until its default namespace answers. */
export async function startTemporalServer(): Promise<TemporalServer> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-temporal-'));
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  let child = spawnServer(folder, port);
  const kill = async (): Promise<void> => {
    if (hasEnded(child)) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const stop = async (): Promise<void> => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  const start = async (): Promise<void> => {
    if (hasEnded(child)) child = spawnServer(folder, port);
    await answering(child, address);
  };
  try {
    await start();
    return { address, pid: () => child.pid ?? 0, kill, start, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function spawnServer(folder: string, port: number): ChildProcess {
  const database = join(folder, 'temporal.db');
  const args = [
    'server',
    'start-dev',
    '--headless',
    '--ip',
    '127.0.0.1',
    '--port',
    String(port),
    '--db-filename',
    database,
    '--log-level',
    'error',
  ];
  // One process runs many agents' workers here: the limit of pollers is for each namespace.
  const child = spawn(toolPath('temporal'), [...args, '--dynamic-config-value', 'frontend.namespaceCount=10000'], { stdio: 'ignore' });
  const killOnExit = (): boolean => child.kill('SIGKILL');
  process.once('exit', killOnExit);
  child.once('exit', () => process.off('exit', killOnExit));
  return child;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function answering(child: ChildProcess, address: string): Promise<void> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: 2000 });
      try {
        await connection.withDeadline(Date.now() + 2000, () => connection.workflowService.describeNamespace({ namespace: 'default' }));
        return;
      } finally {
        await connection.close();
      }
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      if (hasEnded(child)) throw new Error(`temporal ended with ${child.exitCode ?? child.signalCode}`, { cause: error });
    }
    await sleep(POLL_MS);
  }
}
