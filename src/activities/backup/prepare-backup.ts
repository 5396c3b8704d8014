import type { Warning } from '../../contract/result.ts';
import { filesOfTimeline } from '../../core/backup/history.ts';
import { type BackupKind, backupLabel } from '../../core/backup/label.ts';
import { assert } from '../../core/errors/rstow-error.ts';
import { compactionSentence } from '../../core/protection/compaction.ts';
import { ping, serverInfo } from '../../io/rstmdb/server.ts';
import { guardState } from '../../database/guard-state.ts';
import { readServerSettings } from '../../database/server-settings.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import type { Store } from '../../store/store.ts';
import { checkDataDirectoryIsServers } from '../../database/data-directory-check.ts';
import { continuedTimeline } from '../archive/crash-fork.ts';
import { openFirst, type OpenedFirst } from '../copy/copies-wanted.ts';
import { requireCompactable } from './compact-server.ts';
import type { Fence } from '../../formats/repository/plans.ts';
import type { PinKind } from '../../contract/hot-backup.ts';
import { noteRun } from '../../io/agent-state/run-files.ts';
import { logSource, type LogSource, pinLog, releaseLog } from '../../database/log-source.ts';
import { mendDeleted } from '../../database/guard-look.ts';
import { forgetRun } from './running-backups.ts';

type PrepareBackupInput = {
  database: string;
  kind: BackupKind;
  repository?: string | undefined;
  mark?: string | undefined;
  /** When the backup itself began: its label. */ startedAtMs: number;
};
type CheckBackupInput = Omit<PrepareBackupInput, 'startedAtMs' | 'kind'> & { compact?: boolean | undefined };
export type PreparedBackup = { repository: string; label: string; timeline: string; serverVersion: string; warnings: Warning[] };

const LABEL_ATTEMPTS_MAX = 1000;

/** A server that is well answers a first question sooner. */
const FIRST_ANSWER_MS = 10_000;

/**
 * Whether a backup can begin: server, directory, repository, owner, the name of its end. Writes nothing, and needs no
 * lock. Fails: server-unreachable, server-refused, data-directory-foreign, data-directory-missing, owner-outdated,
 * mark-taken, guard-off, compaction-too-costly, repository-unavailable. Twice: checked anew.
 */
export const checkBackup =
  (deps: ActivityDeps) =>
  async ({ database, repository, mark, compact }: CheckBackupInput, run: RunPort): Promise<void> => {
    const opened = openDatabase(deps, database);
    await checkedSource(deps, opened, { repository, mark, run, answerMs: FIRST_ANSWER_MS });
    if (compact === true) await requireCompactable(opened, run.signal);
  };

/**
 * Checks the same, now under the lock, and which history the directory continues. Takes the label. Fails: as
 * `checkBackup`, `continuedTimeline`. Twice: the same label.
 */
export const prepareBackup =
  (deps: ActivityDeps) =>
  async (input: PrepareBackupInput, run: RunPort): Promise<PreparedBackup> => {
    const { kind, startedAtMs, repository, mark } = input;
    const opened = openDatabase(deps, input.database);
    const { store, serverVersion, warnings } = await checkedSource(deps, opened, { repository, mark, run });
    const timeline = await continuedTimeline({ deps, database: opened, store, run });
    const label = await takeLabel(store, { kind, startedAtMs, runId: run.runId, timeline });
    return {
      repository: store.name,
      label,
      timeline,
      serverVersion,
      warnings: [...warnings, ...(await compactionWarnings(opened))],
    };
  };

type Checking = { repository: string | undefined; mark: string | undefined; run: RunPort; answerMs?: number };

/** Whether there is a repository that takes a backup of ours, with that mark. Fails: owner-outdated, mark-taken, repository-unavailable. */
export async function checkedRepository(deps: ActivityDeps, database: string, { repository, mark, run }: Checking): Promise<OpenedFirst> {
  const opened = await openFirst(deps, database, repository);
  const { owner } = opened.store;
  // The manifest asks anew.
  await owner.require(owner.keptMs);
  if (mark !== undefined) await opened.store.marks.requireFree({ name: mark, runId: run.runId });
  return opened;
}

/** The same, and whether the server is the one of that directory. Fails: as `checkBackup`. */
export async function checkedSource(
  deps: ActivityDeps,
  { name: database, server }: Database,
  checking: Checking,
): Promise<OpenedFirst & { serverVersion: string }> {
  const { run, answerMs } = checking;
  const opened = await checkedRepository(deps, database, checking);
  const { serverVersion } = await server.ask(
    async (client) => {
      await ping(client);
      await checkDataDirectoryIsServers(server, client);
      return serverInfo(client);
    },
    { signal: run.signal, answerMs },
  );
  return { ...opened, serverVersion };
}

/** Each backup says so: what will be deleted next may be what no backup has stored. */
async function compactionWarnings(database: Database): Promise<Warning[]> {
  const { compaction } = await readServerSettings(database);
  const message = compactionSentence(database.name, compaction, await guardState(database));
  return message === undefined ? [] : [{ code: 'compaction-on', message }];
}

type Labelling = { kind: BackupKind; startedAtMs: number; runId: string; timeline: string };

async function takeLabel({ backups }: Store, { kind, startedAtMs, runId, timeline }: Labelling): Promise<string> {
  for (let attempt = 1; attempt <= LABEL_ATTEMPTS_MAX; attempt += 1) {
    const label = backupLabel(startedAtMs, kind, attempt);
    if (await backups.claimLabel({ label, runId, timeline })) return label;
  }
  assert(false, 'fewer than a thousand backups begin in one second');
}

type PinInput = { database: string; repository: string; timeline: string };
type PinResult = { fenceKey: string; pin: PinKind; segments: number; sizeBytes: number };

/**
 * Keeps every segment from compaction, then takes the fence: the sizes of all segment files. Every record that was
 * acknowledged before lies within it. Fails: data-directory-missing, data-directory-replaced, repository-unavailable.
 * Twice: the first fence stands.
 */
export const pinWal =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, timeline }: PinInput, run: RunPort): Promise<PinResult> => {
    const store = await deps.openStore(database, name);
    const opened = openDatabase(deps, database);
    const { dataDir } = opened;
    await noteRun(deps.config.agent.stateDir, run);
    // Compaction may have been at it a moment ago: what the restart guard has is no gap.
    for (const fact of (await mendDeleted(opened)).facts) deps.events.record(fact);
    const { pin, segments } = await pinLog({ dataDir, timeline, runId: run.runId }, deps.runningBackups.opened);
    const own = filesOfTimeline(segments, await store.timelines.having(timeline), timeline);
    const extents = own.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes }));
    const { key: fenceKey, plan: first } = await store.plans
      .fence(timeline)
      .keep(run.runId, { format: 1, timeline, pin, segments: extents });
    const sizeBytes = first.segments.reduce((sum, segment) => sum + segment.endBytes, 0);
    return { fenceKey, pin: first.pin, segments: first.segments.length, sizeBytes };
  };

/** Gives the segments back to compaction. Twice: no-op. */
export const unpinWal =
  (deps: ActivityDeps) =>
  async ({ database, timeline }: Pick<PinInput, 'database' | 'timeline'>, run: RunPort): Promise<void> => {
    const { dataDir } = openDatabase(deps, database);
    await releaseLog({ dataDir, timeline, runId: run.runId }, deps.runningBackups.opened);
    await forgetRun(deps.runningBackups, run.runId);
  };

/** The run's hold of the log, as its fence says. */
export function pinnedLog(deps: ActivityDeps, database: Database, of: { fence: Fence; runId: string }): LogSource {
  const { pin, timeline } = of.fence;
  return logSource(pin, { dataDir: database.dataDir, timeline, runId: of.runId }, deps.runningBackups.opened);
}
