import type { ActivityDeps } from '../activities/activity-deps.ts';
import { openDatabase } from '../database/database.ts';
import { compactionSentence } from '../core/protection/compaction.ts';
import { readServerSettings } from '../database/server-settings.ts';

/** Says in the log what a server's own settings will lose, before it happens. */
export type ServerNotices = (database: string) => Promise<void>;

/** Looking for a server reads all of /proc. */
const LOOK_INTERVAL_MS = 60_000;

/** Each change is said once. Twice within a minute: no-op. */
export function createServerNotices(deps: ActivityDeps): ServerNotices {
  const lookedAtMs = new Map<string, number>();
  const said = new Map<string, string>();
  return async (database) => {
    if (performance.now() - (lookedAtMs.get(database) ?? -LOOK_INTERVAL_MS) < LOOK_INTERVAL_MS) return;
    lookedAtMs.set(database, performance.now());
    const { compaction } = await readServerSettings(openDatabase(deps, database));
    const sentence = compaction.isOn ? compactionSentence(database, compaction) : '';
    if (sentence !== '' && sentence !== said.get(database)) deps.events.record({ kind: 'server-compacts', database, compaction, sentence });
    said.set(database, sentence);
  };
}
