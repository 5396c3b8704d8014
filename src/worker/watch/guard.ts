import type { Events } from '../../activities/activity-deps.ts';
import { type HostConfig, openDatabase } from '../../database/database.ts';
import type { GuardFact } from '../../database/guard-facts.ts';
import { createGuard, dropGuardPins } from '../../database/guard-look.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { allOf, type RepeatingTask, startRepeatingTask } from './repeating-task.ts';

/** What a guard that is off may have left, before it was. */
const OFF_INTERVAL_MS = 60_000;

type GuardWatch = { events: Events; logger: Logger; signal: AbortSignal };

/**
 * Keeps the log of each database in place that its server's next start needs, as long as the agent lives: without
 * Temporal, and whoever owns the database. One database's failure keeps no other from its looks.
 */
export function startGuardWatch(host: HostConfig, { events, logger, signal }: GuardWatch): RepeatingTask {
  const tasks = Object.keys(host.config.databases).map((name) => {
    const database = openDatabase(host, name);
    const { enabled, intervalMs } = database.settings.guard;
    const guard = createGuard(database);
    if (enabled)
      return startRepeatingTask(() => record(guard.look(), events), { what: `guarding the log of ${name}`, intervalMs, logger, signal });
    const drop = (): Promise<void> => record(dropGuardPins(database), events);
    return startRepeatingTask(drop, { what: `dropping the guard’s pins of ${name}`, intervalMs: OFF_INTERVAL_MS, logger, signal });
  });
  return allOf(tasks);
}

async function record(looking: Promise<GuardFact[]>, events: Events): Promise<void> {
  for (const fact of await looking) events.record(fact);
}
