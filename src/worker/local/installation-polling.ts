import { slotQueue } from '../../contract/names.ts';
import type { Owner } from '../../config/repository-json/owner.ts';
import type { TemporalConnection } from '../temporal-connection.ts';

/** temporal.api.enums.v1.TaskQueueType */
const ACTIVITIES = 2;
/** A poll lasts a minute; a poller is remembered for some more. */
const POLL_MS = 75_000;

/** Whether an agent of that very installation was seen at this Temporal within the last minute or so. */
export async function isInstallationPolling({ connection, namespace }: TemporalConnection, owner: Owner): Promise<boolean> {
  const request: object = {
    namespace,
    taskQueue: { name: slotQueue(owner.installationId, 'steps') },
    taskQueueType: ACTIVITIES,
  };
  const { pollers } = await connection.workflowService.describeTaskQueue(request);
  return pollers.some(({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < POLL_MS);
}
