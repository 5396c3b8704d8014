import { slotQueue } from '../contract/names.ts';
import type { TemporalConnection } from './temporal-connection.ts';

/** temporal.api.enums.v1.TaskQueueType */
const ACTIVITIES = 2;

/** Who polls for an installation, as each calls itself; a poller is remembered for some minutes. */
export type Poller = { identity: string; /** When its last poll began, by Temporal's clock (Unix ms). */ lastAccessMs: number };

export async function pollersOf({ connection, namespace }: TemporalConnection, installationId: string): Promise<Poller[]> {
  const request: object = { namespace, taskQueue: { name: slotQueue(installationId, 'steps') }, taskQueueType: ACTIVITIES };
  const { pollers } = await connection.workflowService.describeTaskQueue(request);
  return pollers.map(({ identity, lastAccessTime }) => ({
    identity: identity ?? '',
    lastAccessMs: Number(lastAccessTime?.seconds ?? 0) * 1000 + Math.floor((lastAccessTime?.nanos ?? 0) / 1_000_000),
  }));
}
