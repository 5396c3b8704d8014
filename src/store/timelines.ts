import { isDeepStrictEqual } from 'node:util';
import { lineageOf } from '../core/backup/history.ts';
import { FIRST_TIMELINE, type Timeline, timelineSchema } from '../formats/repository/history.ts';
import { timelineKey, timelinesPrefix } from '../core/repository/object-keys.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import { remembered } from '../io/repository/wrap/recall.ts';

/** The histories that a database has had. */
export type Timelines = {
  /** By id. Where calls cost, as of a moment ago. */
  all(): Promise<Map<string, Timeline>>;
  /**
   * The same, for the sake of one of them: none ever changes, so where calls cost nobody is asked again if that one's parents are known. All
   * if it isn't there.
   */
  having(timeline: string): Promise<Map<string, Timeline>>;
  /** Takes the next free id by put-if-absent. Twice, for one run and one reason: the timeline that it has made already. */
  create(wanted: NewTimeline): Promise<Timeline>;
  /** Puts what another repository has made. False if another history has that id. Twice: the same answer. */
  put(timeline: Timeline): Promise<boolean>;
};

/** Several questions of one look get one answer. */
const MOMENT_MS = 5_000;

export function timelinesOf({ repository, database }: { repository: Repository; database: string }): Timelines {
  return {
    all: () => readTimelines(repository, database, MOMENT_MS),
    having: async (timeline) => {
      const known = await readTimelines(repository, database, Number.POSITIVE_INFINITY);
      return lineageOf(known, timeline) === undefined ? readTimelines(repository, database) : known;
    },
    create: (wanted) => createTimeline(repository, database, wanted),
    put: (timeline) => putTimeline(repository, database, timeline),
  };
}

export async function readTimelines(repository: Repository, database: string, recalledMs = 0): Promise<Map<string, Timeline>> {
  const timelines = new Map<string, Timeline>();
  for await (const key of repository.keys(timelinesPrefix(database), { recalledMs })) {
    const timeline = await readSealed(remembered(repository), key, timelineSchema);
    if (timeline !== undefined) timelines.set(timeline.timeline, timeline);
  }
  return timelines;
}

export type Lacking = {
  /** In the order to put them in. */ lacking: Timeline[];
  /** Other histories of the same ids, and what was begun from them. */ diverged: string[];
};

/** Which of the source's histories another repository, whose are `there`, can be given without mixing two. */
export function lackingTimelines(source: ReadonlyMap<string, Timeline>, there: ReadonlyMap<string, Timeline>): Lacking {
  const lacking: Timeline[] = [];
  const diverged = new Set<string>();
  for (const timeline of [...source.values()].sort((left, right) => Number(left.timeline) - Number(right.timeline))) {
    const known = there.get(timeline.timeline);
    const parentDiverged = timeline.parent !== null && diverged.has(timeline.parent.timeline);
    if (parentDiverged || (known !== undefined && !isDeepStrictEqual(known, timeline))) diverged.add(timeline.timeline);
    else if (known === undefined) lacking.push(timeline);
  }
  return { lacking, diverged: [...diverged] };
}

export async function putTimeline(repository: Repository, database: string, timeline: Timeline): Promise<boolean> {
  const key = timelineKey(database, timeline.timeline);
  if ((await putSealed(repository, key, { schema: timelineSchema, value: timeline })) === 'stored') return true;
  return isDeepStrictEqual(await readSealed(repository, key, timelineSchema), timeline);
}

/** `elsewhere`: ids that other repositories have given away. */
export type NewTimeline = Omit<Timeline, 'timeline' | 'format'> & { elsewhere?: readonly string[] };

export async function createTimeline(repository: Repository, database: string, wanted: NewTimeline): Promise<Timeline> {
  const { elsewhere = [], ...facts } = wanted;
  const existing = await readTimelines(repository, database);
  const own = [...existing.values()].find(({ runId, why }) => runId === wanted.runId && why === wanted.why);
  if (own !== undefined) return own;
  const timeline: Timeline = { format: 1, timeline: nextId(wanted.why, [...existing.keys(), ...elsewhere]), ...facts };
  const key = timelineKey(database, timeline.timeline);
  const put = await putSealed(repository, key, { schema: timelineSchema, value: timeline });
  return put === 'stored' ? timeline : createTimeline(repository, database, wanted);
}

/** A log without a mark counts as the first timeline: no import ever takes that id, and the log's owner still gets it after one. */
function nextId(why: Timeline['why'], taken: readonly string[]): string {
  if (why === 'first' && !taken.includes(FIRST_TIMELINE)) return FIRST_TIMELINE;
  const newest = Math.max(why === 'import' ? Number(FIRST_TIMELINE) : 0, ...taken.map(Number));
  return String(newest + 1).padStart(FIRST_TIMELINE.length, '0');
}
