import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { readProtection } from '../../activities/catalogue/protection-facts.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';

type ProtectionWatch = {
  deps: Pick<ActivityDeps, 'agent' | 'config' | 'events' | 'catalogueOf'>;
  /** Databases of which something was stored, copied or proved since they were read; those that are read are taken out. */
  changed: Set<string>;
  logger: Logger;
  signal: AbortSignal;
};

/** What a run of this agent has changed is read so soon. */
const INTERVAL_MS = 5_000;

/** Other agents verify and test too. Requests may cost money. */
const READ_MS = 3_600_000;

/** Where a repository did not answer. */
const AWAY_MS = 60_000;

/** Reads from each repository of the databases that this agent owns how well they are protected: at the start, after each change, and each hour. */
export function startProtectionWatch({ deps, changed, logger, signal }: ProtectionWatch): RepeatingTask {
  const dueAtMs = new Map<string, number>();
  const pass = async (database: string): Promise<void> => {
    if (!changed.has(database) && performance.now() < (dueAtMs.get(database) ?? 0)) return;
    const catalogue = deps.catalogueOf(database);
    const { owner } = await catalogue.owner.find(catalogue.owner.keptMs);
    if (owner?.installationId !== deps.agent.installationId) return;
    changed.delete(database);
    const { answers, failures } = await catalogue.each(readProtection);
    for (const { store, found } of answers) {
      const sentence = `${store.name} says how ${database} is protected`;
      deps.events.record({ kind: 'protection-read', database, repository: store.name, ...found, sentence });
    }
    for (const { name, error } of failures) {
      const { code, message: sentence } = error;
      deps.events.record({ kind: 'repository-unread', database, repository: name, code, sentence });
    }
    dueAtMs.set(database, performance.now() + (failures.length === 0 ? READ_MS : AWAY_MS));
  };
  const what = (database: string): string => `reading how ${database} is protected`;
  return startTaskForEach(Object.keys(deps.config.databases), pass, { what, intervalMs: INTERVAL_MS, logger, signal });
}
