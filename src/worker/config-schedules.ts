import { databaseSettings } from '../config/agent-config.ts';
import { wantedSchedules } from '../config/schedules.ts';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import type { WantedSchedule } from '../contract/schedules.ts';
import { loadConfig } from './load-config.ts';

/** What a config file lists, of one database or of each. Fails: invalid-config, unknown-database. */
export async function configSchedules(
  file = DEFAULT_CONFIG_FILE,
  database?: string,
): Promise<{ database: string; schedules: WantedSchedule[] }[]> {
  const config = await loadConfig(file);
  const names = database === undefined ? Object.keys(config.databases) : [database];
  return names.map((name) => ({ database: name, schedules: wantedSchedules(databaseSettings(config, name).schedules) }));
}
