import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointFile } from '../../io/agent-state/digest-checkpoint.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../database-settings.ts';

/** Where the agent keeps how far a database's digest is, for the wal/ folder that is there now. */
export async function checkpointFile(deps: ActivityDeps, database: string, timeline: string): Promise<CheckpointFile> {
  const { dataDir } = databaseSettings(deps.config, database);
  const { ino } = await stat(join(dataDir, 'wal'), { bigint: true });
  return { stateDir: deps.config.agent.stateDir, database, binding: { timeline, walInode: ino.toString() } };
}
