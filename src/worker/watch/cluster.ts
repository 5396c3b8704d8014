import type { ActivityDeps } from '../../activities/activity-deps.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { createBackupWatch } from '../temporal/backup-watch.ts';
import { rethrowUnreachable } from '../temporal/run-registry.ts';
import { type RepeatingTask, startRepeatingTask } from './repeating-task.ts';
import type { TemporalConnection } from '../temporal/connection.ts';
import { SEARCH_ATTRIBUTES } from '../../contract/names.ts';

type ClusterWatch = {
  temporal: TemporalConnection;
  deps: ActivityDeps;
  /** Makes again what else Temporal has lost; called again in the next pass if it fails. */
  onNewCluster: () => Promise<void>;
  logger: Logger;
  signal: AbortSignal;
};

const INTERVAL_MS = 10_000;
/** Two questions of a few bytes. */
const HUNG_MS = 30_000;

/**
 * A Temporal that was emptied, or a namespace that was made again, has lost rstow's search attributes, and a run that
 * sets one would wait for it for ever: so they are looked at again then. Runs that wait already go on.
 */
export function startClusterWatch({ temporal, deps, onNewCluster, logger, signal }: ClusterWatch): RepeatingTask {
  let known: string | undefined;
  const pass = async (): Promise<void> => {
    const { clusterId, namespaceId } = await clusterOf(temporal).catch(rethrowUnreachable);
    const found = `${clusterId} ${namespaceId}`;
    if (known !== undefined && known !== found) {
      logger.warn(
        { clusterId, namespace: temporal.namespace },
        'Temporal was emptied or replaced: its histories are lost, the backups are not',
      );
      deps.temporal = { ...deps.temporal, clusterId };
      deps.searchAttributes = await ensureSearchAttributes(temporal, logger);
      deps.backupWatch = createBackupWatch(temporal, deps.searchAttributes);
      await onNewCluster();
    }
    known = found;
  };
  return startRepeatingTask(pass, {
    what: 'asking Temporal whether it is still the same',
    intervalMs: INTERVAL_MS,
    hungMs: HUNG_MS,
    logger,
    signal,
  });
}

async function clusterOf({ connection, namespace }: TemporalConnection): Promise<{ clusterId: string; namespaceId: string }> {
  const { clusterId } = await connection.workflowService.getClusterInfo({});
  const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace });
  return { clusterId, namespaceId: namespaceInfo?.id ?? '' };
}

/** temporal.api.enums.v1.IndexedValueType */
const KEYWORD = 2;

/**
 * Adds rstow's search attributes where the namespace lacks them. False where it refuses, or has one of another type:
 * workflows then upsert none, for an upsert of an unknown attribute would hang them. Twice: no-op.
 */
export async function ensureSearchAttributes({ connection, namespace }: TemporalConnection, logger: Logger): Promise<boolean> {
  const names = Object.values(SEARCH_ATTRIBUTES);
  try {
    const searchAttributes = Object.fromEntries(names.map((name) => [name, KEYWORD]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const foreign = names.filter((name) => Number(customAttributes[name]) !== KEYWORD);
    if (foreign.length === 0) return true;
    logger.warn({ namespace, attributes: foreign }, 'the namespace has these search attributes with another type: none are set');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    logger.warn({ namespace, why }, 'the namespace refused the search attributes: none are set');
  }
  return false;
}
