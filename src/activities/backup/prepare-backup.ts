import type { DatabaseConfig, TimingConfig } from '../../config/agent-config.ts';
import type { Warning } from '../../contract/result.ts';
import { backupLabel } from '../../core/backup/label.ts';
import { assert } from '../../core/errors/assert.ts';
import { compactionSentence } from '../../core/protection/compaction.ts';
import type { Repository } from '../../io/repository/port.ts';
import { ping, serverInfo } from '../../io/rstmdb/server.ts';
import { readServerSettings } from '../../io/server-process/server-settings.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../../config/database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { withServer } from '../../database/rstmdb-connection.ts';
import { claimLabel } from '../../store/label-claim.ts';
import { requireOwner } from '../../store/ownership.ts';
import { checkDataDirectoryIsServers } from './data-directory-check.ts';
import { timelineOfData } from './data-timeline.ts';

export type PrepareBackupInput = {
  database: string;
  repository?: string;
  /** When the backup itself began: its label. */ startedAtMs: number;
};
export type PreparedBackup = { repository: string; label: string; timeline: string; serverVersion: string; warnings: Warning[] };

const LABEL_ATTEMPTS_MAX = 1000;

/** A server that is well answers a first question sooner. */
const FIRST_ANSWER_MS = 10_000;

/**
 * Whether a backup can begin: server, directory, repository, owner. Writes nothing, and needs no lock. Fails:
 * server-unreachable, server-refused, data-directory-foreign, data-directory-missing, owner-outdated,
 * repository-unavailable. Twice: checked anew.
 */
export const checkBackup =
  (deps: ActivityDeps) =>
  async (input: { database: string; repository?: string }, { signal }: Pick<RunPort, 'signal'>): Promise<void> => {
    const serverRequestMs = Math.min(FIRST_ANSWER_MS, deps.config.timing.serverRequestMs);
    await checkedSource(deps, { ...input, timing: { ...deps.config.timing, serverRequestMs }, signal });
  };

/**
 * Checks the same, now under the lock, and which history the directory continues. Takes the label. Fails: as
 * `checkBackup`; timeline-diverged. Twice: the same label.
 */
export const prepareBackup =
  (deps: ActivityDeps) =>
  async (input: PrepareBackupInput, run: RunPort): Promise<PreparedBackup> => {
    const { database, startedAtMs } = input;
    const { name, repository, serverVersion } = await checkedSource(deps, { ...input, timing: deps.config.timing, signal: run.signal });
    const timeline = await timelineOfData(repository, database, databaseSettings(deps.config, database));
    const label = await takeLabel(repository, database, { startedAtMs, runId: run.runId });
    return {
      repository: name,
      label,
      timeline,
      serverVersion,
      warnings: await compactionWarnings(database, databaseSettings(deps.config, database)),
    };
  };

type Checking = { database: string; repository?: string; timing: TimingConfig; signal: AbortSignal };

async function checkedSource(
  deps: ActivityDeps,
  checking: Checking,
): Promise<{ name: string; repository: Repository; serverVersion: string }> {
  const { database, timing, signal } = checking;
  const settings = databaseSettings(deps.config, database);
  const name = repositoryName(settings, checking.repository);
  const repository = await deps.openRepository(name);
  await requireOwner(deps, database);
  const { serverVersion } = await withServer(settings.server, { timing, signal }, async (client) => {
    await ping(client);
    await checkDataDirectoryIsServers(settings, client);
    return serverInfo(client);
  });
  return { name, repository, serverVersion };
}

/** Each backup says so: what will be deleted next may be what no backup has stored. */
async function compactionWarnings(database: string, settings: DatabaseConfig): Promise<Warning[]> {
  const { compaction } = await readServerSettings(settings);
  return compaction.isOn ? [{ code: 'compaction-on', message: compactionSentence(database, compaction) }] : [];
}

async function takeLabel(repository: Repository, database: string, run: { startedAtMs: number; runId: string }): Promise<string> {
  for (let attempt = 1; attempt <= LABEL_ATTEMPTS_MAX; attempt += 1) {
    const label = backupLabel(run.startedAtMs, 'hot', attempt);
    if (await claimLabel(repository, database, { label, runId: run.runId })) return label;
  }
  assert(false, 'fewer than a thousand backups begin in one second');
}
