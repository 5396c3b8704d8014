import type { Owner, Timeline } from '../../formats/repository/history.ts';
import type { Store } from '../store.ts';
import { lackingTimelines } from '../timelines.ts';

export type Timelines = Map<string, Timeline>;

/**
 * Gives a repository the histories of another one that it lacks, one after another: none comes before its parent. Gives the ids that name
 * other histories in the two, and what was begun from those; nothing is overwritten. `timelines`: those of the target, which are added to.
 * Twice: nothing more to do.
 */
export async function putTimelines(store: Store, timelines: Timelines, source: Timelines): Promise<string[]> {
  const { lacking, diverged } = lackingTimelines(source, timelines);
  for (const [index, timeline] of lacking.entries()) {
    // Somebody made another one a moment ago: nothing may be begun from it. Whoever compares anew finds it.
    if (!(await store.timelines.put(timeline))) return [...diverged, ...lacking.slice(index).map((left) => left.timeline)];
    timelines.set(timeline.timeline, timeline);
  }
  return diverged;
}

/** Whether the repository has the owner's claim, or takes it: another installation may have that generation here. Twice: no-op. */
export async function putClaim({ claims }: Store, owner: Owner): Promise<boolean> {
  const there = await claims.newest();
  return (there?.generation === owner.generation && there.installationId === owner.installationId) || claims.put(owner);
}
