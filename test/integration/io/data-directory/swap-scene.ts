import { cp, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SwapNote } from '../../../../src/formats/data-directory.ts';
import { restorePaths } from '../../../../src/io/data-directory/restores.ts';
import { planSwap, type SwapPlan } from '../../../../src/io/data-directory/swap.ts';
import { connectRstmdb } from '../../../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance } from '../../../../src/io/rstmdb/instances.ts';
import { compact, listMachines, putMachine } from '../../../../src/io/rstmdb/server.ts';
import { startRstmdb } from '../../../support/rstmdb-server.ts';

/** Data directories that a real server wrote: one with machine `old` and a snapshot, one with machine `new`. */
export type Templates = { oldDir: string; newDir: string };

export const RUN_ID = 'run-1';
const ENV = { RSTMDB_COMPACT_ENABLED: 'false' };

export async function makeTemplates(folder: string): Promise<Templates> {
  const templates = { oldDir: join(folder, 'old'), newDir: join(folder, 'new') };
  await writeDatabase(templates.oldDir, 'old');
  await writeDatabase(templates.newDir, 'new');
  return templates;
}

/** A data directory with the old data, or none of it, and the new wal/ staged; and the plan to swap them. */
export async function setScene(templates: Templates, dataDir: string, data: 'old' | 'lost'): Promise<SwapPlan> {
  await mkdir(dataDir, { recursive: true });
  if (data === 'old') await cp(templates.oldDir, dataDir, { recursive: true });
  await cp(join(templates.newDir, 'wal'), restorePaths(dataDir, RUN_ID).wal, { recursive: true });
  return planSwap(dataDir, RUN_ID);
}

export function noteOf(plan: SwapPlan): SwapNote {
  const holder = { pid: process.pid, startTicks: 1 };
  return { format: 1, kind: 'swap', runId: RUN_ID, database: 'orders', phase: 'stopping', ...plan, deadlineMs: 2, holder, createdAtMs: 1 };
}

/** Starts a real server on the directory, and says whose machines it serves: `old`, `new`, `refused`, or what it found. */
export async function startOutcome(dataDir: string): Promise<string> {
  try {
    const server = await startRstmdb({ dataDir, env: ENV });
    const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 5000, requestTimeoutMs: 5000 });
    const machines = await listMachines(client);
    await client.close();
    await server.stop('SIGINT');
    return machines.map(({ machine }) => machine).join(' and ');
  } catch (error) {
    if (error instanceof Error && error.message.includes('did not start')) return 'refused';
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function writeDatabase(dataDir: string, machine: string): Promise<void> {
  await mkdir(dataDir);
  const server = await startRstmdb({ dataDir, env: ENV });
  const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 5000, requestTimeoutMs: 5000 });
  await putMachine(client, { machine, version: 1, definitionText: '{"states":["a"],"initial":"a","transitions":[]}' });
  await createInstance(client, { id: machine, machine, version: 1 });
  await compact(client, { forceSnapshot: true, timeoutMs: 10_000 });
  await client.close();
  await server.stop('SIGINT');
}
