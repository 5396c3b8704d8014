import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { lockWorkflowId } from '../../../src/contract/names.ts';
import { type AgentRunRegistry, createRunRegistry } from '../../../src/worker/temporal/run-registry.ts';
import { connectTestClient, type TestClient } from '../../support/run-workflow.ts';
import { makeNamespace } from '../../support/temporal-namespace.ts';
import { startTemporalServer } from '../../support/temporal-server.ts';
import { waitUntil } from '../../support/wait-until.ts';

let namespace: string;
let connection: NativeConnection;
let temporal: TestClient;
let runs: AgentRunRegistry;

beforeAll(async () => {
  const address = inject('temporalAddress');
  namespace = await makeNamespace(address);
  connection = await NativeConnection.connect({ address });
  temporal = await connectTestClient(address, namespace);
  runs = createRunRegistry({ connection, namespace, clusterId: 'any' });
});

afterAll(async () => {
  await temporal.close();
  await connection.close();
});

/** A run that nobody works on stays open until it is ended. */
async function openRun(workflowId: string, memo: Record<string, unknown> = {}): Promise<{ runId: string; end: () => Promise<void> }> {
  const handle = await temporal.client.workflow.start('nothing', { taskQueue: 'nobody', workflowId, memo });
  return { runId: handle.firstExecutionRunId, end: () => handle.terminate('test').then(() => undefined) };
}

test('tells an open run from a closed one and from one that never was', async () => {
  const run = await openRun('rstow/orders/hotBackup/1');
  await runs.checkOpen('rstow/orders/hotBackup/1', run.runId);
  expect(await runs.isOpen('rstow/orders/hotBackup/1', run.runId)).toBe(true);
  await waitUntil('it is listed', async () => (await runs.runState(run.runId)) === 'open');
  expect(await runs.runState(run.runId, 'rstow/orders/hotBackup/1')).toBe('open');
  await run.end();
  expect(await runs.runState(run.runId, 'rstow/orders/hotBackup/1')).toBe('closed');
  await expect(runs.checkOpen('rstow/orders/hotBackup/1', run.runId)).rejects.toMatchObject({ code: 'cancelled' });
  expect(await runs.isOpen('rstow/orders/hotBackup/1', run.runId)).toBe(false);
  await waitUntil('it is listed as closed', async () => (await runs.runState(run.runId)) === 'closed');
  expect(await runs.isOpen('rstow/orders/hotBackup/none', run.runId)).toBe(false);
  const never = '01999999-0000-7000-8000-000000000000';
  expect(await runs.runState(never)).toBe('unknown');
  expect(await runs.runState(never, 'rstow/orders/hotBackup/1')).toBe('closed');
});

test('names who holds a lock, and says when the holder has ended before its lock', async () => {
  const lockId = lockWorkflowId('orders');
  expect(await runs.lockHolder(lockId)).toBeUndefined();
  const holder = await openRun('rstow/orders/restore/1');
  const memo = { holder: 'rstow/orders/restore/1', runId: holder.runId, type: 'restore', sinceMs: 5 };
  const lock = await openRun(lockId, memo);
  const told = { workflowId: 'rstow/orders/restore/1', runId: holder.runId, type: 'restore', sinceMs: 5, lockRunId: lock.runId };
  expect(await runs.lockHolder(lockId)).toEqual({ ...told, open: true });
  await holder.end();
  expect(await runs.lockHolder(lockId)).toEqual({ ...told, open: false });
  await runs.terminate({ workflowId: lockId, runId: holder.runId }, 'another run of that id is left alone');
  expect(await runs.lockHolder(lockId)).toBeDefined();
  await runs.terminate({ workflowId: lockId, runId: lock.runId }, 'its holder has ended');
  expect(await runs.lockHolder(lockId)).toBeUndefined();
  await runs.terminate({ workflowId: lockId, runId: lock.runId }, 'twice is no failure');
});

test('says within seconds that Temporal is unreachable, and never that a run is closed', async () => {
  const server = await startTemporalServer();
  const away = await NativeConnection.connect({ address: server.address });
  await server.stop();
  const started = performance.now();
  const question = createRunRegistry({ connection: away, namespace: 'default', clusterId: 'any' }).checkOpen('any', 'any');
  await expect(question).rejects.toMatchObject({ code: 'temporal-unreachable' });
  expect(performance.now() - started).toBeLessThan(20_000);
  await away.close();
});
