/** A history, and when and why it was begun. */
type BegunTimeline = { timeline: string; why?: string | undefined; createdAtMs: number };

/**
 * The timelines whose log may be wanted since then (Unix ms): the one in use, those that were left later, those that were begun later, and
 * the one that was begun last. A history is left when the next one begins; an import never was in use.
 */
export function timelinesSince(timelines: Iterable<BegunTimeline>, inUse: string, sinceMs: number): Set<string> {
  const kept = new Set([inUse]);
  const all = [...timelines];
  const own = all.filter(({ why }) => why !== 'import').sort((one, other) => Number(one.timeline) - Number(other.timeline));
  for (const [index, { timeline }] of own.entries()) {
    const next = own[index + 1];
    if (next === undefined || next.createdAtMs > sinceMs) kept.add(timeline);
  }
  for (const { timeline, createdAtMs } of all) if (createdAtMs > sinceMs) kept.add(timeline);
  return kept;
}
