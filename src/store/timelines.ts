import { isDeepStrictEqual } from 'node:util';
import { type Timeline, timelineSchema } from '../formats/repository/history.ts';
import { timelineKey, timelinesPrefix } from '../core/repository/object-keys.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';

export const FIRST_TIMELINE = '0001';

/** The histories that a database has had. */
export type Timelines = {
  /** By id. */
  all(): Promise<Map<string, Timeline>>;
  /** Takes the next free id by put-if-absent. Twice, for one run: the timeline that it has made already. */
  create(wanted: Omit<Timeline, 'timeline' | 'format'>): Promise<Timeline>;
  /** Puts what another repository has made. False if another history has that id. Twice: the same answer. */
  put(timeline: Timeline): Promise<boolean>;
};

export function timelinesOf({ repository, database }: { repository: Repository; database: string }): Timelines {
  return {
    all: () => readTimelines(repository, database),
    create: (wanted) => createTimeline(repository, database, wanted),
    put: (timeline) => putTimeline(repository, database, timeline),
  };
}

export async function readTimelines(repository: Repository, database: string): Promise<Map<string, Timeline>> {
  const timelines = new Map<string, Timeline>();
  for await (const key of repository.keys(timelinesPrefix(database))) {
    const timeline = await readSealed(repository, key, timelineSchema);
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

export async function createTimeline(
  repository: Repository,
  database: string,
  wanted: Omit<Timeline, 'timeline' | 'format'>,
): Promise<Timeline> {
  const existing = await readTimelines(repository, database);
  const own = [...existing.values()].find((timeline) => timeline.runId === wanted.runId);
  if (own !== undefined) return own;
  const newest = Math.max(0, ...[...existing.keys()].map(Number));
  const timeline: Timeline = { format: 1, timeline: String(newest + 1).padStart(4, '0'), ...wanted };
  const key = timelineKey(database, timeline.timeline);
  const put = await putSealed(repository, key, { schema: timelineSchema, value: timeline });
  return put === 'stored' ? timeline : createTimeline(repository, database, wanted);
}
