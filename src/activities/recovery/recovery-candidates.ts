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

/** A state that, by what is listed, can be recovered; reading it may still say otherwise. */
export type Candidate = { label: string; repository: string; extents: ExtentsSummary; records: number; createdAtMs: number };
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
 * database; and for the others why not. Fails: backup-not-found, where there is no such target, or with each state's
 * reason, where none is left. Twice: the same.
 */
export const findCandidates =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, target = 'latest' }: Wanted): Promise<Candidates> => {
    const names = wanted === undefined ? deps.catalogueOf(database).names : [wanted];
    const usable: Candidate[] = [];
    const skipped: SkippedState[] = [];
    const { newer, wanted: listed } = fromTarget(await listStates(deps, database, { names, skipped }), target);
    if (listed.length === 0) throw nothingRecoverable(database, skipped);
    let newest = await firstReadable(deps, database, newer);
    for (const { label, repository } of listed) {
      if (usable.length >= CANDIDATES_MAX) break;
      try {
        const store = await deps.openStore(database, repository);
        const manifest = await store.backups.read(label);
        const candidate = candidateOf(manifest, repository);
        newest ??= candidate;
        requireRestorable(manifest);
        await store.pieces.plan(manifest);
        usable.push(candidate);
      } catch (error) {
        skipped.push({ label, repository, ...reasonOf(error) });
      }
    }
    if (usable.length === 0) throw nothingRecoverable(database, skipped);
    return { usable, skipped: skipped.slice(0, CANDIDATES_MAX), newest };
  };

type State = BackupPosition & { repository: string };
type Labelled = { label: string; repository: string };
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
      placed.push(...found.positions.map((position) => ({ ...position, repository: name })));
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
  const all: (Labelled & Placed)[] = [...ordered, ...unplaced.map((state) => ({ ...state, isInUse: false }))];
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

function candidateOf(manifest: Manifest, repository: string): Candidate {
  const { label, records, createdAtMs } = manifest;
  const extents = summariseExtents(promisedExtents(manifest.segments));
  return { label, repository, extents, records, createdAtMs };
}

function reasonOf(error: unknown): { code: string; reason: string } {
  if (!(error instanceof RstowError)) throw error;
  return { code: error.code, reason: error.message };
}
