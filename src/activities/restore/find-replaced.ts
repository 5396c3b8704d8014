import { join } from 'node:path';
import type { Warning } from '../../contract/result.ts';
import type { UndoneRestore } from '../../contract/undo-restore.ts';
import { RstowError, withClause } from '../../core/errors/rstow-error.ts';
import { openDatabase } from '../../database/database.ts';
import { listReplaced, type ReplacedData } from '../../io/data-directory/restores.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { storeAside } from './store-replaced.ts';
import { holds, writeTail } from './store-tail.ts';

export type FindReplacedInput = {
  database: string;
  repository?: string | undefined;
  /** The beginning of a run's id; the newest restore that has a safety copy where absent. */
  restore?: string | undefined;
};

/** `label`: the backup that holds all of what was replaced. */
export type FoundReplaced = { label: string; repository: string; undoes: UndoneRestore; warnings: Warning[] };

/** So many of the backups that restores have made are looked through, and so many are named. */
const TAILS_MAX = 50;
const NAMED_MAX = 3;

/**
 * Finds what a restore has replaced, and the backup that holds all of it. If there is none, the safety copy becomes one.
 * Fails: nothing-to-undo, naming what there is; invalid-input (several restores begin so); timeline-diverged and
 * source-damaged (the safety copy can't be stored); repository-unavailable, owner-outdated. Twice: the same backup.
 */
export const findReplaced =
  (deps: ActivityDeps) =>
  async ({ database, repository, restore }: FindReplacedInput, run: RunPort): Promise<FoundReplaced> => {
    const store = await deps.openStore(database, repository);
    const { dataDir } = openDatabase(deps, database);
    const copies = await safetyCopies(dataDir, run.runId);
    const copy = restore === undefined ? copies.at(-1) : onlyOne(copies, restore);
    if (copy !== undefined) return copied(deps, { store, copy }, run);
    const tails = await writtenTails(store);
    const tail = restore === undefined ? undefined : onlyOne(tails, restore);
    if (tail === undefined) throw nothingToUndo({ database, dataDir, restore }, { copies, tails });
    return { label: tail.label, repository: store.name, undoes: { runId: tail.runId }, warnings: [] };
  };

/** The newest last. A restore that was rolled back has left none, nor has one that had nothing to replace. */
async function safetyCopies(dataDir: string, exceptRunId: string): Promise<ReplacedData[]> {
  const copies: ReplacedData[] = [];
  for (const copy of await listReplaced(dataDir)) {
    const segments = (await listSegments(join(copy.path, 'wal'))) ?? [];
    if (copy.runId !== exceptRunId && segments.some(({ sizeBytes }) => sizeBytes > 0)) copies.push(copy);
  }
  return copies;
}

/** Fails: invalid-input, if several begin so. */
function onlyOne<Named extends { runId: string }>(named: readonly Named[], beginning: string): Named | undefined {
  const found = named.filter(({ runId }) => runId.startsWith(beginning));
  // Only the newest of what one run has left is all of it.
  if (new Set(found.map(({ runId }) => runId)).size < 2) return found.at(-1);
  const sentence = `several restores begin with "${beginning}": ${namesOf(found)}; write more of the id`;
  throw new RstowError('invalid-input', sentence, { details: { field: 'restore' } });
}

type Copied = { store: Store; copy: ReplacedData };

/** What is said of the copy itself: somebody has taken a part of it away, or its disk has. */
const COPY_FAULTS: readonly string[] = ['timeline-diverged', 'source-damaged', 'data-directory-replaced'];

/** A copy that is spoilt is not needed if the restore has made a backup of it. */
async function copied(deps: ActivityDeps, { store, copy }: Copied, run: RunPort): Promise<FoundReplaced> {
  try {
    return await storeCopy(deps, { store, copy }, run);
  } catch (error) {
    if (!(error instanceof RstowError) || !COPY_FAULTS.includes(error.code)) throw error;
    const tail = onlyOne(await writtenTails(store), copy.runId);
    if (tail === undefined) throw withClause(error, `the safety copy in ${copy.path} can't be put back`, { safetyCopy: copy.path });
    const message = `the safety copy in ${copy.path} can't be used, so the data come from the repository alone: ${error.message}`;
    return { label: tail.label, repository: store.name, undoes: { runId: tail.runId }, warnings: [{ code: error.code, message }] };
  }
}

/** Mostly the restore has stored it, and nothing is left to be done. */
async function storeCopy(deps: ActivityDeps, { store, copy }: Copied, run: RunPort): Promise<FoundReplaced> {
  const { database, name: repository } = store;
  const walDir = join(copy.path, 'wal');
  const { digest, ...log } = await storeAside(deps, { database, repository, walDir }, run);
  const undoes = { runId: copy.runId, safetyCopy: copy.path };
  const newest = await store.backups.newestOfTimeline({ timeline: log.timeline, exceptRunId: '' });
  if (newest !== undefined && holds(newest, log)) return { label: newest.label, repository, undoes, warnings: log.warnings };
  // Its label says when the data were replaced.
  const input = { database, repository, startedAtMs: copy.sinceMs };
  const label = await writeTail(deps, { input, log: { ...log, state: await digest() }, walDir }, run);
  return { label, repository, undoes, warnings: log.warnings };
}

type Tail = { runId: string; label: string };

/** The backups that restores have made of what they replaced, the newest last. */
async function writtenTails({ backups }: Store): Promise<Tail[]> {
  const labels = (await backups.selectable()).map(({ label }) => label).filter((label) => /-tail(-[0-9]+)?$/.test(label));
  const tails: Tail[] = [];
  for (const label of labels.sort().slice(-TAILS_MAX)) {
    const manifest = await backups.readable(label);
    if (manifest !== undefined) tails.push({ label, runId: manifest.runId });
  }
  return tails;
}

type Wanted = { database: string; dataDir: string; restore: string | undefined };

function nothingToUndo(
  { database, dataDir, restore }: Wanted,
  has: { copies: readonly ReplacedData[]; tails: readonly Tail[] },
): RstowError {
  const { copies, tails } = has;
  const kept =
    copies.length === 0 ? `there is no safety copy in ${dataDir}` : `there are the safety copies of the restores ${namesOf(copies)}`;
  const labels = tails.slice(-NAMED_MAX).map(({ label }) => label);
  const held = labels.length === 0 ? '' : `; of what restores have replaced, there are the backups ${labels.join(', ')}`;
  const what = restore === undefined ? `no restore of "${database}" can be undone` : `no restore of "${database}" is called ${restore}`;
  return new RstowError('nothing-to-undo', `${what}: ${kept}${held}`, { details: { database } });
}

function namesOf(named: readonly { runId: string }[]): string {
  return [...new Set(named.map(({ runId }) => runId))].slice(-NAMED_MAX).join(', ');
}
