import type { DataSummary } from '../../contract/data-summary.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { makeWalOffset } from '../../core/wal/wal-offset.ts';
import { cutSegment, listSegments } from '../../io/data-directory/segments.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../../io/mutex/host-mutex.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import { damageBehind, scanSegment } from '../backup/segment-scan.ts';
import { surveyData } from '../data/survey-data.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { linkBackIfPossible } from '../../database/guard-start.ts';
import { finishStopNote } from '../../database/finish-stop-note.ts';
import type { RunPort } from '../run-port.ts';
import { startServer, stopServer } from '../../database/server-start.ts';
import { descendsFrom } from '../../core/backup/history.ts';
import { archivedEnd } from '../recovery-point/stored-history.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { walStats } from '../../io/rstmdb/server.ts';
import type { Store } from '../../store/store.ts';

/** `no`: why the data in place are not what a recovery would go on with, or why no server started on them. */
type Restart = { kind: 'restarted'; found: DataSummary; warnings: Warning[] } | { kind: 'no'; found: DataSummary | null; why: string };

/**
 * Starts the server on the data in place, where they are a whole log that continues the newest backup: then nothing is
 * lost. A server that hangs is ended first; an incomplete record at the log's end, which was never acknowledged, is cut.
 * Fails: owner-outdated, cancelled, temporal-unreachable, repository-unavailable, signature-refused. Twice: a server that runs is left alone.
 */
export const restartServer =
  (deps: ActivityDeps) =>
  async ({ database: name }: { database: string }, run: RunPort): Promise<Restart> => {
    const database = openDatabase(deps, name);
    await requireAuthority(deps, run, { database: name, isPreparing: true });
    const requireOurs = async (): Promise<void> => {
      await run.checkOpen();
      await deps.catalogueOf(name).owner.require();
    };
    await requireOurs();
    let found: DataSummary | null = null;
    try {
      await finishStopNote(database);
      found = await surveyData(deps)({ database: name }, run);
      if (found === null) return { kind: 'no', found, why: `there is no log in ${database.dataDir}` };
      if (found.fault !== undefined) return { kind: 'no', found, why: found.fault.sentence };
      if (!(await continuesNewest(deps, database, found)))
        return { kind: 'no', found, why: 'the log in place lacks what the newest backup or the archive holds' };
      return { kind: 'restarted', found, warnings: await restart(database, run, requireOurs) };
    } catch (error) {
      if (!(error instanceof RstowError) || !NO_START.includes(error.code)) throw error;
      return { kind: 'no', found, why: error.message };
    }
  };

/** What a server that can't be started on its data is known by. */
const NO_START = [
  'busy',
  'data-directory-replaced',
  'invalid-config',
  'service-start-failed',
  'service-stop-failed',
  'service-unmanaged',
  'source-damaged',
];

async function continuesNewest(deps: ActivityDeps, { name, walDir }: Database, { timeline }: DataSummary): Promise<boolean> {
  const last = (await listSegments(walDir))?.at(-1);
  if (last === undefined || timeline === null) return false;
  const latestOffset = makeWalOffset(last.segment, last.sizeBytes);
  const needed = await deps.catalogueOf(name).each((store) => neededEnd(store, timeline));
  return needed.answers.length > 0 && needed.answers.every(({ found }) => found !== undefined && found <= latestOffset);
}

async function restart(database: Database, run: RunPort, requireOurs: () => Promise<void>): Promise<Warning[]> {
  const { dataDir, walDir, server } = database;
  const what = `recovery ${run.runId}`;
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), {
    what,
    waitTimeoutMs: server.startTimeoutMs,
    signal: run.signal,
  });
  try {
    // Reading the data takes its time: another host may have taken the database over meanwhile.
    await requireOurs();
    run.report({ starting: server.address });
    await stopServer(server);
    await linkBackIfPossible(database);
    const warnings = await cutTails(walDir, run.signal);
    await startServer(server, run.signal);
    return warnings;
  } finally {
    await mutex.release();
  }
}

/** A server that writes on behind an incomplete record loses what it writes. Fails: source-damaged. */
async function cutTails(walDir: string, signal: AbortSignal): Promise<Warning[]> {
  const warnings: Warning[] = [];
  for (const file of (await listSegments(walDir)) ?? []) {
    const { end } = await scanSegment({ ...file, startBytes: 0, signal });
    if (end.kind === 'whole') continue;
    const damage = await damageBehind(file.path, file.segment, { end, sizeBytes: file.sizeBytes, signal });
    if (damage !== undefined) throw damage;
    await cutSegment(file.path, end.positionBytes);
    const what = `${file.sizeBytes - end.positionBytes} bytes of an incomplete record at the end of ${file.fileName}`;
    warnings.push({ code: 'torn-tail', message: `${what} were cut before the start: no client was told that it was written` });
  }
  return warnings;
}

export type LiveDatabase = { isUp: boolean; /** Whether nothing that is backed up is missing in it. */ isAsNew: boolean };

/**
 * Whether the owner's server is up, and at least as new as its newest backup and its archive: of its history, or of one that somebody
 * has left on purpose by a restore. Twice: asked anew.
 */
export const inspectLiveDatabase =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<LiveDatabase> => {
    const { server, walDir } = openDatabase(deps, database);
    try {
      const timeline = (await readTimelineFile(walDir))?.timeline;
      // Before the server is asked: meanwhile it goes on, and so does its archive.
      const needed = await deps.catalogueOf(database).eachOfSome((store) => neededEnd(store, timeline));
      const { latestOffset = 0n } = await server.ask(walStats, { signal: run.signal });
      return { isUp: true, isAsNew: needed.answers.every(({ found }) => found !== undefined && found <= latestOffset) };
    } catch (error) {
      if (error instanceof RstowError && error.code === 'server-unreachable') return { isUp: false, isAsNew: false };
      throw error;
    }
  };

/**
 * Up to where a log of that history has to go to hold what the newest backup of the history in use holds, and what is archived of its own.
 * Undefined if no such log does.
 */
async function neededEnd(store: Store, timeline: string | undefined): Promise<bigint | undefined> {
  const newest = (await store.backups.history()).backups.find(({ isInUse }) => isInUse);
  if (timeline === undefined) return newest === undefined ? 0n : undefined;
  const archived = await archivedEnd(store, timeline);
  if (newest === undefined) return archived;
  if (timeline !== newest.timeline) return descendsFrom(await store.timelines.all(), timeline, newest.timeline) ? archived : undefined;
  return newest.end > archived ? newest.end : archived;
}
