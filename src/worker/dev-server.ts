import { Connection } from '@temporalio/client';
import { channelArgsOf } from '../contract/loopback.ts';

/** A Temporal development server on the loopback interface; its runs live in a file. */
export type DevServerPlace = { port: number; uiPort: number; databaseFile: string; namespace: string };

/** Whoever waits for a server asks it again. */
const ANSWER_MS = 2_000;
const CHANGE_MS = 20_000;

/** Every worker of an agent polls, and ten databases have dozens of them: the default limit of a namespace is soon met. */
const POLLERS_MAX = 10_000;

/** The namespace is made where it is missing. */
export function devServerCommand({ port, uiPort, databaseFile, namespace }: DevServerPlace): string[] {
  const addresses = ['--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)];
  const limits = ['--dynamic-config-value', `frontend.namespaceCount=${POLLERS_MAX}`];
  const files = ['--db-filename', databaseFile, '--log-level', 'error'];
  return ['temporal', 'server', 'start-dev', ...addresses, ...limits, ...files, '--namespace', namespace];
}

/** The id of the cluster that serves the namespace at this address; undefined where none answers within seconds. */
export async function answeringCluster(address: string, namespace: string): Promise<string | undefined> {
  try {
    return await withLoopback({ address, timeoutMs: ANSWER_MS }, async ({ workflowService }) => {
      await workflowService.describeNamespace({ namespace });
      return (await workflowService.getClusterInfo({})).clusterId;
    });
  } catch {
    return undefined;
  }
}

/** Closed runs are kept so long. Twice: no-op. */
export async function setRetention(address: string, namespace: string, retentionMs: number): Promise<void> {
  // The generated types ask for a Long; what encodes them takes a number as well.
  const request: object = { namespace, config: { workflowExecutionRetentionTtl: { seconds: retentionMs / 1000 } } };
  await withLoopback({ address, timeoutMs: CHANGE_MS }, ({ workflowService }) => workflowService.updateNamespace(request));
}

type Question = { address: string; timeoutMs: number };

/** Asked without TEMPORAL_* variables, which mean another server. */
async function withLoopback<T>({ address, timeoutMs }: Question, ask: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address, connectTimeout: timeoutMs, channelArgs: channelArgsOf(address) });
  try {
    return await connection.withDeadline(Date.now() + timeoutMs, () => ask(connection));
  } finally {
    await connection.close();
  }
}
