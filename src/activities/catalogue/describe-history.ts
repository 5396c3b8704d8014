import { type DescribeDatabaseResult, MARKS_MAX, type RepositoryCopy, TIMELINES_MAX } from '../../contract/describe-database.ts';
import { baselineOf, lineageOf } from '../../core/backup/history.ts';
import { promisedExtents, summariseExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { drawnTimelines, inLogOrder, recoveryWindow, type WindowInput } from '../../core/recovery/recovery-window.ts';
import type { Extent } from '../../core/wal/wal-offset.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Store } from '../../store/store.ts';
import { FIRST_TIMELINE } from '../../formats/repository/history.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkedByNames } from './copy-states.ts';
import { listHistory } from '../recovery-point/stored-history.ts';

/** So many manifests are tried, should the newest ones be damaged. */
const READ_MAX = 5;

/**
 * The histories, and which points of the one in use can be had: by the listing of all backups and of the archive, and one manifest.
 * Fails: repository-unavailable.
 */
export async function describeHistory(store: Store): Promise<Pick<DescribeDatabaseResult, 'timelines' | 'history' | 'window'>> {
  const timelines = await store.timelines.all();
  const { backups } = await store.backups.history();
  const inUse = backups.filter((backup) => backup.isInUse);
  const timeline = (await store.owner.find()).owner?.timeline ?? inUse[0]?.timeline ?? FIRST_TIMELINE;
  // A repository that was away when the history in use began has a part of it all the same.
  const lineage = lineageOf(timelines, timeline) ?? [{ timeline }, ...(lineageOf(timelines, inUse[0]?.timeline ?? timeline) ?? [])];
  const history = drawnTimelines(timelines, backups, lineage).slice(0, TIMELINES_MAX);
  const newest = await firstReadable(store, inUse.slice(0, READ_MAX));
  if (newest === undefined) return { timelines: timelines.size, history, window: null };
  const archived = lineageOf(timelines, timeline) === undefined ? undefined : await archivedPart(store, timeline);
  const baseline = baselineOf(timelines, archived?.extents === undefined ? newest.timeline : timeline);
  const extents = archived?.extents ?? promisedExtents(newest.segments);
  const window = recoveryWindow({ timeline, extents, baseline, positions: inLogOrder(inUse), archive: archived?.archive });
  return { timelines: timelines.size, history, window };
}

type ArchivedPart = { /** If it holds more than the newest backup. */ extents: Extent[] | undefined; archive: WindowInput['archive'] };

/** By what is listed of the archive, and the times of the newest segment. Undefined if it has nothing. */
async function archivedPart(store: Store, timeline: string): Promise<ArchivedPart | undefined> {
  const { isArchived, extents, end, times, archive } = await listHistory(store, { target: { latest: true }, timeline });
  const { lastSeenMs: seenMs } = times;
  if (seenMs === undefined) return undefined;
  const last = (await times.of(end.segment)).at(-1);
  const stepMs = last === undefined || last.sinceMs === 0 ? null : last.seenMs - last.sinceMs;
  return { extents: isArchived ? extents : undefined, archive: { seenMs, stepMs, hole: archive.hole } };
}

async function firstReadable({ backups }: Store, newestFirst: readonly { label: string }[]): Promise<Manifest | undefined> {
  for (const { label } of newestFirst) {
    const manifest = await backups.readable(label);
    if (manifest !== undefined) return manifest;
  }
  return undefined;
}

/** The points that people have named. Fails: repository-unavailable. */
export async function newestMarks(store: Store): Promise<Pick<DescribeDatabaseResult, 'marks' | 'marked'>> {
  const { total, marks } = await store.marks.newest(MARKS_MAX);
  const newest = marks.sort((one, other) => other.atMs - one.atMs);
  return { marks: total, marked: newest.map(({ name, timeline, label, atMs }) => ({ name, timeline, label, atMs })) };
}

/** One that is away is told with the reason. Fails: unknown-database. */
export async function copiesOf(deps: Pick<ActivityDeps, 'catalogueOf'>, database: string): Promise<RepositoryCopy[]> {
  const catalogue = deps.catalogueOf(database);
  const { answers, failures } = await catalogue.each(newestOf);
  const copies: RepositoryCopy[] = [
    ...answers.map(({ store, found }) => ({ repository: store.name, newest: found })),
    ...failures.map(({ name, error }) => ({ repository: name, failure: { code: error.code, sentence: error.message } })),
  ];
  return copies.sort((one, other) => catalogue.names.indexOf(one.repository) - catalogue.names.indexOf(other.repository));
}

/** Its place is at the front of a listing, so that no repository is listed whole. */
async function newestOf({ backups, facts }: Store): Promise<RepositoryCopy['newest']> {
  try {
    const { label, createdAtMs, segments } = await backups.find('latest');
    const checked = checkedByNames(await facts.of(label));
    return { label, createdAtMs, end: summariseExtents(promisedExtents(segments)).end, ...checked };
  } catch (error) {
    if (error instanceof RstowError && error.code === 'backup-not-found') return null;
    throw error;
  }
}
