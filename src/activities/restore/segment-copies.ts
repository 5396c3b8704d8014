import type { ServedBytes } from '../../contract/copy-backups.ts';
import type { Warning } from '../../contract/result.ts';
import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { isFaultOfRepository, isLocked, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { SegmentId } from '../../core/wal/wal-offset.ts';
import type { ManifestSegment } from '../../formats/repository/manifest.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

/** Where the segments of one backup are read: from one repository, and from the database's others where that can't give one whole. */
export type SegmentCopies = {
  /**
   * Has a segment written, from the first repository that gives it whole; with the next one it begins anew. Fails: as the first of them
   * did, if none gives it.
   */
  fetch(planned: PlannedSegment, write: (chunks: () => AsyncIterable<Uint8Array>) => Promise<void>): Promise<void>;
  /** Which repository has given how much, and what was wrong with the others. */
  found(): { served: ServedBytes[] | undefined; warnings: Warning[] };
};

/** `repository`: the one that the segments are planned in. */
type Wanted = {
  database: string;
  repository: string;
  planned: readonly PlannedSegment[];
  label: string;
  run: Pick<RunPort, 'runId' | 'signal'>;
};

/** The same of one repository alone. */
export function onlyFrom({ pieces }: Pick<Store, 'pieces'>, { signal }: Pick<RunPort, 'signal'>): Pick<SegmentCopies, 'fetch'> {
  return { fetch: (planned, write) => write(() => pieces.segment({ planned, signal })) };
}

/** What is known while segments are fetched. */
type Fetching = Wanted & {
  deps: ActivityDeps;
  /** In the order in which they are tried, each opened when it is needed. */
  names: string[];
  plans: Map<string, Promise<ReadonlyMap<SegmentId, PlannedSegment>>>;
  /** Those that don't answer any more. */
  away: Map<string, RstowError>;
  servedBytes: Map<string, number>;
  /** Of the repositories that keep versions, how they were; each is asked for when none gives a segment as it is. */
  past: Map<string, Promise<PastCopy | undefined>>;
  faults: Map<string, { error: RstowError; count: number }>;
};

export function segmentCopies(deps: ActivityDeps, { database, repository, planned, label, run }: Wanted): SegmentCopies {
  const fetching: Fetching = {
    deps,
    database,
    repository,
    planned,
    label,
    run,
    names: [...new Set([repository, ...deps.catalogueOf(database).names])],
    plans: new Map(),
    away: new Map(),
    servedBytes: new Map(),
    past: new Map(),
    faults: new Map(),
  };
  return {
    fetch: (segment, write) => fetchSegment(fetching, segment, write),
    found: () => ({
      served: fetching.names.length === 1 ? undefined : servedBy(fetching),
      warnings:
        fetching.names.length === 1 && fetching.past.size === 0
          ? []
          : [...fetching.faults].map(([name, fault]) => faultWarning(name, fault)),
    }),
  };
}

function servedBy({ names, servedBytes }: Fetching): ServedBytes[] {
  return names.flatMap((repository) => {
    const sizeBytes = servedBytes.get(repository);
    return sizeBytes === undefined ? [] : [{ repository, sizeBytes }];
  });
}

function faultWarning(name: string, { error, count }: { error: RstowError; count: number }): Warning {
  const what = count === 1 ? 'a segment' : `${count} segments`;
  return {
    code: error.code,
    message: `${what} could not be read from repository ${name} as it is, and came from elsewhere: ${error.message}`,
  };
}

async function fetchSegment(
  fetching: Fetching,
  planned: PlannedSegment,
  write: (chunks: () => AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  let first: RstowError | undefined;
  for (const name of fetching.names) {
    const gone = fetching.away.get(name);
    first ??= gone;
    if (gone !== undefined) continue;
    try {
      const { store, segment } = await planIn(fetching, name, planned);
      await write(() => store.pieces.segment({ planned: segment, signal: fetching.run.signal }));
      fetching.servedBytes.set(name, (fetching.servedBytes.get(name) ?? 0) + planned.endBytes);
      return;
    } catch (error) {
      const met = await noteFault(fetching, name, error);
      first ??= met;
    }
  }
  if (first !== undefined && !(await fetchFromPast(fetching, planned, write))) throw first;
}

type PastCopy = { store: Store; plan: ReadonlyMap<SegmentId, PlannedSegment> };

/** False if no repository has ever held the segment whole, as far as one can tell. */
async function fetchFromPast(fetching: Fetching, planned: PlannedSegment, write: Parameters<SegmentCopies['fetch']>[1]): Promise<boolean> {
  for (const name of fetching.names) {
    if (fetching.away.has(name)) continue;
    try {
      const present = await fetching.deps.openStore(fetching.database, name);
      const past = fetching.past.get(name) ?? pastOf(present, fetching.planned);
      fetching.past.set(name, past);
      const { store, plan } = (await past) ?? {};
      const segment = plan?.get(planned.segment);
      if (store === undefined || segment === undefined) continue;
      await write(() => store.pieces.segment({ planned: segment, signal: fetching.run.signal }));
      fetching.servedBytes.set(name, (fetching.servedBytes.get(name) ?? 0) + planned.endBytes);
      return true;
    } catch (error) {
      if (!(error instanceof RstowError) || !isFaultOfRepository(error.code) || error.code === 'not-enough-space') throw error;
    }
  }
  return false;
}

/** Undefined if the repository keeps no versions, or this host may not see them. */
async function pastOf(present: Store, wanted: readonly ManifestSegment[]): Promise<PastCopy | undefined> {
  const store = present.past();
  try {
    return store && { store, plan: await planWhatIsWhole(store, wanted) };
  } catch (error) {
    if (error instanceof RstowError) return undefined;
    throw error;
  }
}

/** How a repository would give the segment. Fails: missing-object, if it doesn't have it whole; repository-unavailable. */
async function planIn(fetching: Fetching, name: string, planned: PlannedSegment): Promise<{ store: Store; segment: PlannedSegment }> {
  const store = await fetching.deps.openStore(fetching.database, name);
  if (name === fetching.repository) {
    if (planned.slices.length > 0 || planned.endBytes === 0) return { store, segment: planned };
    throw new RstowError('missing-object', `it lacks a part of segment ${planned.segment}`);
  }
  const plan = fetching.plans.get(name) ?? planWhatIsWhole(store, fetching.planned);
  fetching.plans.set(name, plan);
  const segment = (await plan).get(planned.segment);
  if (segment === undefined) throw new RstowError('missing-object', `it lacks a part of segment ${planned.segment}`);
  return { store, segment };
}

/** Those of the segments that a repository has whole, by its listing. */
async function planWhatIsWhole(store: Store, wanted: readonly ManifestSegment[]): Promise<ReadonlyMap<SegmentId, PlannedSegment>> {
  const { database } = store;
  const log = wanted.map(({ segment, ranges }) => ({ segment, ranges }));
  const planned = await unlessMissing(store.pieces.plan({ database, segments: log }));
  if (planned !== undefined) return new Map(planned.map((segment) => [segment.segment, segment]));
  const whole = new Map<SegmentId, PlannedSegment>();
  for (const segment of log) {
    const [alone] = (await unlessMissing(store.pieces.plan({ database, segments: [segment] }))) ?? [];
    if (alone !== undefined) whole.set(segment.segment, alone);
  }
  return whole;
}

/**
 * How to read every segment of a log: from one repository, but for what only others have whole; those segments have no slices. Fails:
 * missing-object, naming a piece that none of them covers.
 */
export async function planFromCopies(deps: ActivityDeps, store: Store, segments: readonly ManifestSegment[]): Promise<PlannedSegment[]> {
  const { database } = store;
  const planned = await unlessMissing(store.pieces.plan({ database, segments }));
  if (planned !== undefined) return planned;
  const own = await planWhatIsWhole(store, segments);
  const lacking = segments.filter(({ segment }) => !own.has(segment));
  const others = await deps.catalogueOf(database).each(async (other) => {
    return other.name === store.name ? undefined : planWhatIsWhole(other, lacking);
  });
  const isElsewhere = (segment: SegmentId): boolean => others.answers.some(({ found }) => found?.has(segment) === true);
  const past = await pastOf(store, lacking);
  const nowhere = lacking.filter(({ segment }) => !isElsewhere(segment) && past?.plan.has(segment) !== true);
  // It names the piece.
  if (nowhere.length > 0) return store.pieces.plan({ database, segments: nowhere });
  return segments.map(({ segment, ranges }) => own.get(segment) ?? { segment, endBytes: ranges.at(-1)?.endBytes ?? 0, slices: [], ranges });
}

/** Whether one of the repositories can give that log here, the planned one or, if it is locked, another. Fails: wrong-key, as the planned one. */
export async function requireKeysOfCopies(deps: ActivityDeps, store: Store, planned: readonly PlannedSegment[]): Promise<void> {
  try {
    await store.requireKeys(planned);
  } catch (error) {
    if (!isLocked(error)) throw error;
    const segments = planned.map(({ segment, ranges }) => ({ segment, ranges }));
    const others = await deps.catalogueOf(store.database).each(async (other) => {
      if (other.name === store.name) throw error;
      await other.requireKeys(await other.pieces.plan({ database: store.database, segments }));
    });
    if (others.answers.length === 0) throw error;
  }
}

async function unlessMissing(planning: Promise<PlannedSegment[]>): Promise<PlannedSegment[] | undefined> {
  try {
    return await planning;
  } catch (error) {
    if (error instanceof RstowError && error.code === 'missing-object') return undefined;
    throw error;
  }
}

/** Notes in the repository what was met there, so that the next copy run stores it again. Fails: with what is no repository's fault. */
async function noteFault({ deps, database, label, run, away, faults }: Fetching, name: string, error: unknown): Promise<RstowError> {
  if (!(error instanceof RstowError) || !isFaultOfRepository(error.code) || error.code === 'not-enough-space') throw error;
  const known = faults.get(name);
  faults.set(name, { error: known?.error ?? error, count: (known?.count ?? 0) + 1 });
  if (error.code === 'repository-unavailable') away.set(name, error);
  const { key } = error.details;
  if (!isObjectDamage(error.code) || typeof key !== 'string') return error;
  try {
    const { damage } = await deps.openStore(database, name);
    await damage.record({ key, label, atMs: Date.now(), runId: run.runId });
  } catch (unnoted) {
    // One that takes no writes is read all the same.
    if (!(unnoted instanceof RstowError)) throw unnoted;
  }
  return error;
}
