import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';

const DAY_SECONDS = 86_400;
const DEADLINE_MS = 30_000;

/** A namespace of its own for one test file: queues, locks and search attributes of others are not in it. */
export async function makeNamespace(address: string): Promise<string> {
  const namespace = `test-${randomBytes(4).toString('hex')}`;
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: { seconds: DAY_SECONDS as never } });
    await usable(new Client({ connection, namespace }));
    return namespace;
  } finally {
    await connection.close();
  }
}

/** The server's parts learn of a new namespace one after the other. */
async function usable(client: Client): Promise<void> {
  const deadlineMs = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      await client.workflow.start('nothing', { taskQueue: 'nobody', workflowId: 'first', workflowExecutionTimeout: 1000 });
      await client.workflow.getHandle('first').terminate();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      await sleep(100);
    }
  }
}
