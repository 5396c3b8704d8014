import { Client, WorkflowNotFoundError } from '@temporalio/client';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { ARCHIVE_NOW_UPDATE } from '../../contract/messages.ts';
import { archiveWorkflowId, WORKFLOW_QUEUE } from '../../contract/names.ts';
import { databaseSettings } from '../../config/agent-config.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import type { TemporalConnection } from '../temporal/connection.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';

type ArchiveWatch = { deps: ActivityDeps; temporal: TemporalConnection; logger: Logger; signal: AbortSignal };

/** A database whose owner this agent has just become is archived so soon. */
const INTERVAL_MS = 5_000;

const REQUEST_MS = 10_000;

/** Keeps an archive running for each database that this agent owns and whose config wants one; else it ends the one that runs. */
export function startArchiveWatch({ deps, temporal, logger, signal }: ArchiveWatch): RepeatingTask {
  const { connection, namespace } = temporal;
  const client = new Client({ connection, namespace });
  const keptAtMs = new Map<string, number>();
  const { ownerPollMs } = deps.config.timing;
  const pass = async (database: string): Promise<void> => {
    // A run that somebody has ended is begun again so soon.
    if (performance.now() - (keptAtMs.get(database) ?? -ownerPollMs) < ownerPollMs) return;
    const { owner: owners } = deps.catalogueOf(database);
    const { owner } = await owners.find(owners.keptMs);
    if (owner?.installationId !== deps.agent.installationId) {
      keptAtMs.delete(database);
      return;
    }
    const { enabled } = databaseSettings(deps.config, database).archive;
    await connection.withDeadline(Date.now() + REQUEST_MS, () => {
      return enabled ? startArchive(client, database, !keptAtMs.has(database)) : endArchive(client, database);
    });
    // It stays ended: nobody else starts it.
    keptAtMs.set(database, enabled ? performance.now() : Number.POSITIVE_INFINITY);
  };
  const what = (database: string): string => `keeping the archive of ${database} running`;
  const intervalMs = Math.min(INTERVAL_MS, ownerPollMs);
  return startTaskForEach(Object.keys(deps.config.databases), pass, { what, intervalMs, logger, signal });
}

/** Twice: the run that is open goes on. `isNew`: it may still wait for a host that has lost the database, and is asked for a look here. */
async function startArchive({ workflow }: Client, database: string, isNew: boolean): Promise<void> {
  const run = await workflow.start('archiveWal', {
    workflowId: archiveWorkflowId(database),
    workflowIdConflictPolicy: 'USE_EXISTING',
    taskQueue: WORKFLOW_QUEUE,
    args: [{ database }],
    staticSummary: `archiveWal of ${database}`,
  });
  if (isNew) await run.startUpdate(ARCHIVE_NOW_UPDATE, { waitForStage: 'ACCEPTED' });
}

/** Twice: no-op. */
async function endArchive({ workflow }: Client, database: string): Promise<void> {
  try {
    await workflow.getHandle(archiveWorkflowId(database)).cancel();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}
