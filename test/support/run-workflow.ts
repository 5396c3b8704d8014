/** Starts workflows as any other client would: by type name and one JSON object. */
import { randomUUID } from 'node:crypto';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { runWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';

export type TestClient = {
  client: Client;
  start: (type: string, ...args: unknown[]) => Promise<WorkflowHandle>;
  execute: <Result>(type: string, ...args: unknown[]) => Promise<Result>;
  /** For calls that nobody waits for: `close` does, since one that is tried again on a closed connection ends the process. */
  inBackground: (calls: Promise<void>) => void;
  close: () => Promise<void>;
};

export async function connectTestClient(address: string, namespace = 'default'): Promise<TestClient> {
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  const background: Promise<void>[] = [];
  const start = (type: string, ...args: unknown[]): Promise<WorkflowHandle> =>
    client.workflow.start(type, { taskQueue: WORKFLOW_QUEUE, workflowId: runWorkflowId('test', type, randomUUID()), args });
  return {
    client,
    start,
    execute: async <Result>(type: string, ...args: unknown[]) => (await (await start(type, ...args)).result()) as Result,
    inBackground: (calls) => void background.push(calls),
    close: async () => {
      await Promise.allSettled(background);
      await connection.close();
    },
  };
}

/** All of a run's history, its payloads decoded: for what must not be in it. */
export function textOfHistory(history: unknown): string {
  return textsIn(history).join('\n');
}

/** Every text and every payload, decoded, at any depth. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString()];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
