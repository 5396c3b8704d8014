import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Timeline } from '../../formats/repository/history.ts';
import { nothingRecoverable, type SkippedState } from '../../contract/disaster-recovery.ts';
import { type ExtentsSummary, promisedExtents, summariseExtents } from '../../core/backup/segment-plan.ts';
import type { BackupPosition } from '../../core/backup/label.ts';
import { orderBackups, type Placed } from '../../core/backup/history.ts';
import { selectBackup } from '../../core/backup/selection.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireRestorable } from '../../store/backups.ts';
import { isPlaceOf } from '../../store/manifests.ts';
import { planFromCopies, requireKeysOfCopies } from '../restore/segment-copies.ts';
import { listHistory } from '../recovery-point/stored-history.ts';

/** A state that, by what is listed, can be recovered; reading it may still say otherwise. */
export type Candidate = {
  label: string;
  repository: string;
  extents: ExtentsSummary;
  records: number;
  createdAtMs: number;
  /** The history whose log the archive holds beyond that backup: the extents say up to where, the records are the backup's. */
  archivedTimeline?: string | undefined;
};
export type Candidates = {
  usable: Candidate[];
  skipped: SkippedState[];
  /** What the newest backup promises, usable or not. */ newest?: Candidate | undefined;
};

/** More than so many are never tried: each try reads a whole backup. */
const CANDIDATES_MAX = 20;

/** No `repository`: all of the database's. No `target`: the latest backup. */
type Wanted = { database: string; repository?: string | undefined; target?: string | undefined };

/**
 * The states that a disaster recovery can try, from the target's on, newest first, over all repositories of the
 * database; and for the others why not. Fails: wrong-key, if the newest can't be opened here; backup-not-found, where there is no such target, or with each state's
 * reason, where none is left. Twice: the same.
 */
export const findCandidates =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, target = 'latest' }: Wanted): Promise<Candidates> => {
    const names = wanted === undefined ? deps.catalogueOf(database).names : [wanted];
    const usable: Candidate[] = [];
    const skipped: SkippedState[] = [];
    const states = await listStates(deps, database, { names, skipped });
    const { newer, wanted: listed } = fromTarget(states, target);
    if (listed.length === 0) throw nothingRecoverable(database, skipped);
    let newest = await firstReadable(deps, database, newer);
    let locked: { label: string; error: RstowError } | undefined;
    const scattered: Candidate[] = [];
    for (const { label, repository, place } of listed) {
      if (usable.length >= CANDIDATES_MAX) break;
      try {
        const store = await deps.openStore(database, repository);
        const manifest = await store.backups.read(label);
        if (place !== undefined && !isPlaceOf(manifest, place)) throw misplaced(label);
        const candidate = candidateOf(manifest, repository);
        newest ??= candidate;
        requireRestorable(manifest);
        await store.requireKeys(await store.pieces.plan(manifest));
        usable.push(candidate);
      } catch (error) {
        if (usable.length === 0 && error instanceof RstowError && error.code === 'wrong-key') locked ??= { label, error };
        skipped.push({ label, repository, ...reasonOf(error) });
        const isMissing = error instanceof RstowError && error.code === 'missing-object';
        const together = isMissing && wanted === undefined ? await wholeTogether(deps, database, { label, repository }) : undefined;
        if (together !== undefined) scattered.push(together);
      }
    }
    insertScattered(usable, scattered, listed);
    // Nobody loses what is newest for want of a file that somebody can bring.
    if (locked !== undefined && locked.label !== usable[0]?.label) throw locked.error;
    if (usable.length === 0) throw nothingRecoverable(database, skipped);
    const archived = target === 'latest' ? await archivedStates(deps, { database, inUse: states.inUse, usable }) : [];
    for (const state of archived) insertByEnd(usable, state);
    if (usable[0]?.archivedTimeline !== undefined) [newest] = usable;
    return { usable, skipped: skipped.slice(0, CANDIDATES_MAX), newest };
  };

/** A backup of which the repository lacks a part that others have. */
async function wholeTogether(deps: ActivityDeps, database: string, { label, repository }: Labelled): Promise<Candidate | undefined> {
  try {
    const store = await deps.openStore(database, repository);
    const manifest = await store.backups.read(label);
    await requireKeysOfCopies(deps, store, await planFromCopies(deps, store, manifest.segments));
    return candidateOf(manifest, repository);
  } catch (error) {
    if (error instanceof RstowError) return undefined;
    throw error;
  }
}

/** Each once, in its place, unless a repository has that backup whole. */
function insertScattered(usable: Candidate[], scattered: readonly Candidate[], listed: readonly Labelled[]): void {
  const placeOf = ({ label }: Labelled): number => listed.findIndex((state) => state.label === label);
  for (const candidate of scattered) {
    if (usable.some(({ label }) => label === candidate.label)) continue;
    const at = usable.findIndex((state) => placeOf(state) > placeOf(candidate));
    usable.splice(at < 0 ? usable.length : at, 0, candidate);
  }
}

type Archives = { database: string; inUse: string | undefined; usable: readonly Candidate[] };

/** What archives hold of the history in use beyond its backups, by what is listed: reading it shows whether it holds. */
async function archivedStates(deps: ActivityDeps, { database, inUse, usable }: Archives): Promise<Candidate[]> {
  const states: Candidate[] = [];
  for (const repository of new Set(usable.map((candidate) => candidate.repository))) {
    const listed = await unlessNoHistory(async () =>
      listHistory(await deps.openStore(database, repository), { target: { latest: true }, timeline: inUse }),
    );
    if (listed?.isArchived !== true) continue;
    const { newest, extents, timeline } = listed;
    states.push({ ...candidateOf(newest, repository), extents: summariseExtents(extents), archivedTimeline: timeline });
  }
  return states;
}

/** A repository that has gone since, or doesn't know the history, has no archive of it: its backups are tried all the same. */
async function unlessNoHistory<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RstowError) return undefined;
    throw error;
  }
}

/** Before the first that has less of the log: a backup that has as much needs nothing else. */
function insertByEnd(usable: Candidate[], state: Candidate): void {
  const end = BigInt(state.extents.end);
  const at = usable.findIndex(({ extents }) => BigInt(extents.end) < end);
  usable.splice(at < 0 ? usable.length : at, 0, state);
}

/** `place`: as the index has it, by a name that its manifest has to confirm. */
type Labelled = { label: string; repository: string; place?: BackupPosition | undefined };
type State = BackupPosition & Labelled;
type States = {
  placed: State[];
  /** Their manifests can't be read, and nothing else says how new they are. */ unplaced: Labelled[];
  timelines: ReadonlyMap<string, Timeline>;
  inUse: string | undefined;
};

/** What lies in any of the repositories; one that is away is skipped. */
async function listStates(
  deps: ActivityDeps,
  database: string,
  of: { names: readonly string[]; skipped: SkippedState[] },
): Promise<States> {
  const placed: State[] = [];
  const unplaced: Labelled[] = [];
  const timelines = new Map<string, Timeline>();
  for (const name of of.names) {
    try {
      const { backups, timelines: histories } = await deps.openStore(database, name);
      const found = await backups.positions();
      placed.push(...found.positions.map((place) => ({ ...place, place, repository: name })));
      unplaced.push(...found.unplaced.map((label) => ({ label, repository: name })));
      for (const [id, timeline] of await histories.all()) if (!timelines.has(id)) timelines.set(id, timeline);
    } catch (error) {
      of.skipped.push({ label: '*', repository: name, ...reasonOf(error) });
    }
  }
  if (placed.length + unplaced.length === 0) return { placed, unplaced, timelines, inUse: undefined };
  return { placed, unplaced, timelines, inUse: (await deps.catalogueOf(database).owner.find()).owner?.timeline };
}

/**
 * The states to try, the newest first; a label in two repositories is tried in the first of them first. Nothing of an
 * abandoned history, unless the target is: then what was abandoned with it counts. Fails: backup-not-found.
 */
function fromTarget({ placed, unplaced, timelines, inUse }: States, target: string): { newer: Labelled[]; wanted: Labelled[] } {
  const ordered = orderBackups(placed, timelines, inUse);
  const all: (Labelled & Pick<Placed, 'isInUse'>)[] = [...ordered, ...unplaced.map((state) => ({ ...state, isInUse: false }))];
  if (all.length === 0) return { newer: [], wanted: [] };
  const label = selectBackup([...new Map(all.map((state) => [state.label, state])).values()], target);
  const chosen = ordered.find((state) => state.label === label);
  if (chosen === undefined) return { newer: [], wanted: unplaced.filter((state) => state.label === label) };
  const history = chosen.isInUse ? ordered : orderBackups(placed, timelines, chosen.timeline);
  const states = history.filter(({ isInUse }) => isInUse);
  const at = states.findIndex((state) => state.label === label);
  const wanted = states.slice(at);
  return { newer: states.slice(0, at), wanted: target === 'latest' ? [...wanted, ...unplaced] : wanted };
}

/** What is newer than the target isn't tried, but shows how much is given up. */
async function firstReadable(deps: ActivityDeps, database: string, labels: Labelled[]): Promise<Candidate | undefined> {
  for (const { label, repository } of labels) {
    try {
      return candidateOf(await (await deps.openStore(database, repository)).backups.read(label), repository);
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
    }
  }
  return undefined;
}

function misplaced(label: string): RstowError {
  return new RstowError('untrusted-object', `the index gives backup ${label} another place than its manifest does`, { details: { label } });
}

function candidateOf(manifest: Manifest, repository: string): Candidate {
  const { label, records, createdAtMs } = manifest;
  const extents = summariseExtents(promisedExtents(manifest.segments));
  return { label, repository, extents, records, createdAtMs };
}

function reasonOf(error: unknown): { code: string; reason: string } {
  if (!(error instanceof RstowError)) throw error;
  return { code: error.code, reason: error.message };
}
