import type { Extent } from '../wal/wal-offset.ts';

/**
 * Whether replay may go on from a checkpoint: each of its segments is still as long as it was, only its last one may
 * have grown, and new ones come after it. After a rotation race the server may append to an older segment, and
 * what stands there would have to be replayed before what the checkpoint has already seen.
 */
export function checkpointFits(checkpoint: readonly Extent[], now: readonly Extent[]): boolean {
  const lengths = new Map<number, number>(now.map(({ segment, endBytes }) => [segment, endBytes]));
  const last = Math.max(0, ...checkpoint.map(({ segment }) => segment));
  const kept = checkpoint.every(({ segment, endBytes }) => {
    const nowBytes = lengths.get(segment);
    return nowBytes !== undefined && (segment === last ? nowBytes >= endBytes : nowBytes === endBytes);
  });
  const known = new Set<number>(checkpoint.map(({ segment }) => segment));
  return kept && now.every(({ segment }) => known.has(segment) || segment > last);
}
