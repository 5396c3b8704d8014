import { join } from 'node:path';
import type { DatabaseConfig } from '../config/agent-config.ts';
import { labelClaimSchema } from '../config/repository-json/label-claim.ts';
import { assert } from '../core/errors/assert.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { backupLabel } from '../core/backup/label.ts';
import { labelClaimKey } from '../core/repository/object-keys.ts';
import { readTimelineFile, writeTimelineFile } from '../io/data-directory/timeline-file.ts';
import type { Repository } from '../io/repository/repository.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import { ping, serverInfo } from '../io/rstmdb/server.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { checkDataDirectoryIsServers } from './data-directory-check.ts';
import { databaseSettings, repositoryName } from './database-settings.ts';
import { requireOwner } from './ownership.ts';
import { withServer } from './rstmdb-connection.ts';
import type { RunPort } from './run-port.ts';
import { FIRST_TIMELINE, readTimelines } from './timelines.ts';

export type PrepareBackupInput = { database: string; repository?: string; startedAtMs: number };
export type PreparedBackup = { repository: string; label: string; timeline: string; serverVersion: string };

const LABEL_ATTEMPTS_MAX = 1000;

/**
 * Everything that can be refused before anything is read: server, directory, repository, owner, timeline. Takes the
 * label. Fails: server-unreachable, server-refused, data-directory-foreign, data-directory-missing, owner-outdated,
 * timeline-diverged, repository-unavailable. Twice: the same label.
 */
export const prepareBackup =
  (deps: ActivityDeps) =>
  async (input: PrepareBackupInput, run: RunPort): Promise<PreparedBackup> => {
    const { database, startedAtMs } = input;
    const settings = databaseSettings(deps.config, database);
    const name = repositoryName(settings, input.repository);
    const repository = await deps.openRepository(name);
    await requireOwner(repository, database, deps.agent);
    const options = { timing: deps.config.timing, signal: run.signal };
    const { serverVersion } = await withServer(settings.server, options, async (client) => {
      await ping(client);
      await checkDataDirectoryIsServers(settings, client);
      return serverInfo(client);
    });
    const timeline = await timelineOfData(repository, database, settings);
    const label = await takeLabel(repository, database, { startedAtMs, runId: run.runId });
    return { repository: name, label, timeline, serverVersion };
  };

/**
 * Which history the directory continues: its own file says so. Without a file it is the first timeline, and is marked
 * as such, as long as no other was ever made. Fails: timeline-diverged.
 */
async function timelineOfData(repository: Repository, database: string, settings: DatabaseConfig): Promise<string> {
  const walDir = join(settings.dataDir, 'wal');
  const timelines = await readTimelines(repository, database);
  const file = await readTimelineFile(walDir);
  if (file === undefined) {
    const only = timelines.get(FIRST_TIMELINE);
    if (only === undefined || timelines.size !== 1) throw unmarked(walDir, [...timelines.keys()]);
    await writeTimelineFile(walDir, { format: 1, database, timeline: FIRST_TIMELINE, generation: only.generation });
    return FIRST_TIMELINE;
  }
  if (file.database === database && timelines.has(file.timeline)) return file.timeline;
  const whose = `timeline ${file.timeline} of database "${file.database}"`;
  throw new RstowError('timeline-diverged', `${walDir} holds ${whose}, which the repository does not know as ${database}'s`);
}

function unmarked(walDir: string, timelines: string[]): RstowError {
  return new RstowError('timeline-diverged', `${walDir} does not say which timeline it continues: ${timelines.join(', ')}`, {
    details: { walDir, timelines },
  });
}

async function takeLabel(repository: Repository, database: string, run: { startedAtMs: number; runId: string }): Promise<string> {
  for (let attempt = 1; attempt <= LABEL_ATTEMPTS_MAX; attempt += 1) {
    const label = backupLabel(run.startedAtMs, 'hot', attempt);
    const key = labelClaimKey(database, label);
    const put = await putSealed(repository, key, { schema: labelClaimSchema, value: { format: 1, runId: run.runId } });
    if (put === 'stored') return label;
    const there = await readSealed(repository, key, labelClaimSchema);
    if (there?.runId === run.runId) return label;
  }
  assert(false, 'fewer than a thousand backups begin in one second');
}
