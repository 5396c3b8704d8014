import { WORKFLOW_QUEUE } from '../contract/names.ts';
import { incarnationOf } from './poller-identity.ts';
import type { TemporalConnection } from './temporal-connection.ts';

/** temporal.api.enums.v1.TaskQueueType */
const WORKFLOWS = 1;

/** Who polls for an installation, as each calls itself; a poller is remembered for some minutes. */
export type Poller = { identity: string; /** When its last poll began, by Temporal's clock (Unix ms). */ lastAccessMs: number };

/** Asked on the one queue that agents of every contract poll. */
export async function pollersOf({ connection, namespace }: TemporalConnection, installationId: string): Promise<Poller[]> {
  const request: object = { namespace, taskQueue: { name: WORKFLOW_QUEUE }, taskQueueType: WORKFLOWS };
  const { pollers } = await connection.workflowService.describeTaskQueue(request);
  return pollers
    .map(({ identity, lastAccessTime }) => ({
      identity: identity ?? '',
      lastAccessMs: Number(lastAccessTime?.seconds ?? 0) * 1000 + Math.floor((lastAccessTime?.nanos ?? 0) / 1_000_000),
    }))
    .filter(({ identity }) => incarnationOf(identity)?.installationId === installationId);
}
