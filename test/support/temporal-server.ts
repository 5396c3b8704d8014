/** A real Temporal server for tests, whose runs outlive it in a database file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { freePort } from './free-port.ts';
import { endedWithUs, hasEnded, killChild, untilAnswering } from './server-child.ts';
import { toolPath } from './tools.ts';

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
  const kill = (): Promise<void> => killChild(child);
  const stop = async (): Promise<void> => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  const start = async (): Promise<void> => {
    if (hasEnded(child)) child = spawnServer(folder, port);
    await untilAnswering(child, () => describeDefaultNamespace(address));
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
  return endedWithUs(
    spawn(toolPath('temporal'), [...args, '--dynamic-config-value', 'frontend.namespaceCount=10000'], { stdio: 'ignore' }),
  );
}

async function describeDefaultNamespace(address: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 2000 });
  try {
    await connection.withDeadline(Date.now() + 2000, () => connection.workflowService.describeNamespace({ namespace: 'default' }));
  } finally {
    await connection.close();
  }
}
