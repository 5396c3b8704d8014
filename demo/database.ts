import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { processesWithOpenFilesUnder } from '../src/io/process/open-files.ts';
import { signalProcessGroup } from '../src/io/process/run-command.ts';
import { connectRstmdb } from '../src/io/rstmdb/connect-rstmdb.ts';
import { createProcessService, type ProcessServiceConfig } from '../src/io/service/process-service.ts';
import { freePorts } from './child-program.ts';

/** A real rstmdb, managed by the same service as the agent's config will name: a restore stops and starts it. */
export type DemoDatabase = {
  address: string;
  service: ProcessServiceConfig;
  /** Of the server that works on the data directory; 0 if none does. */
  pid(): Promise<number>;
  /** SIGKILL, and then nothing is left of the data directory. */
  destroy(): Promise<void>;
  /** Twice: no-op. */
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** Fails: service-start-failed, server-unreachable. */
export async function startDemoDatabase(folder: string, mark: Record<string, string>): Promise<DemoDatabase> {
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const dataDir = join(folder, 'data');
  const service: ProcessServiceConfig = {
    command: ['rstmdb'],
    env: {
      RSTMDB_BIND: address,
      RSTMDB_DATA: dataDir,
      RSTMDB_WAL_SEGMENT_SIZE_MB: '4',
      RSTMDB_METRICS_ENABLED: 'false',
      RUST_LOG: 'warn',
      NO_COLOR: '1',
      ...mark,
    },
    stateDir: join(folder, 'service'),
    dataDir,
    stopTimeoutMs: 10_000,
  };
  const managed = createProcessService(service);
  await managed.start();
  try {
    await untilAnswering(address);
  } catch (error) {
    await managed.stop();
    throw error;
  }
  const pid = async (): Promise<number> => (await serversOn(dataDir))[0]?.pid ?? 0;
  return { address, service, pid, destroy: () => destroy(dataDir), stop: () => managed.stop() };
}

async function untilAnswering(address: string): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const client = await connectRstmdb({ address, connectTimeoutMs: 1_000, requestTimeoutMs: 1_000 });
      await client.close();
      return;
    } catch (error) {
      if (performance.now() > deadlineMs || !(error instanceof RstowError)) throw error;
      await sleep(POLL_MS);
    }
  }
}

async function destroy(dataDir: string): Promise<void> {
  for (const { processGroup } of await serversOn(dataDir)) signalProcessGroup(processGroup, 'SIGKILL');
  while ((await serversOn(dataDir)).length > 0) await sleep(POLL_MS);
  // The agent's guard gives segments that vanish their names back for as long as it has its pins.
  const thorough = { recursive: true, force: true, maxRetries: 20, retryDelay: 50 };
  for (const name of await readdir(dataDir)) await rm(join(dataDir, name), thorough);
}

/** By their open log files, ourselves left out: a signal must never go to our own group. */
function serversOn(dataDir: string): ReturnType<typeof processesWithOpenFilesUnder> {
  return processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid });
}
