import type { ActivityDeps } from '../activities/activity-deps.ts';
import type { AgentWorkers } from './agent-workers.ts';
import type { Logger } from './agent-logger.ts';
import { type DatabaseOwnership, databaseOwnership } from './database-claim.ts';
import { type RepeatingTask, startRepeatingTask } from './repeating-task.ts';

export type OwnershipWatch = { deps: ActivityDeps; workers: AgentWorkers; logger: Logger; signal: AbortSignal };

/** Serves exactly the databases that this installation owns, as their repositories say; a change is logged once. */
export function startOwnershipWatch({ deps, workers, logger, signal }: OwnershipWatch): RepeatingTask {
  const told = new Map<string, string>();
  const tell = (database: string, ownership: DatabaseOwnership): void => {
    const why = ownership.kind === 'mine' ? 'this installation owns it' : ownership.why;
    if (told.get(database) === why) return;
    told.set(database, why);
    logger.info({ database, ownership: ownership.kind, why }, 'ownership');
  };
  const pass = async (): Promise<void> => {
    for (const database of Object.keys(deps.config.databases)) {
      const ownership = await databaseOwnership(deps, database);
      tell(database, ownership);
      // A repository that is away changes nothing: the last known owner goes on.
      if (ownership.kind !== 'unknown' && !signal.aborted) await workers.serveDatabase(database, ownership.kind === 'mine');
    }
  };
  return startRepeatingTask(pass, { what: 'looking up the owners', intervalMs: deps.config.timing.ownerPollMs, logger, signal });
}
