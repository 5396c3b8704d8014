import type { CopyFacts } from './check.ts';

/** `newest` is null if the repository has none, and absent if it can't say. */
type Copy = { repository: string; newest?: NewestOfCopy | null | undefined };
type NewestOfCopy = { label: string; createdAtMs: number; end: string };

export type CopiesOf = {
  copies: readonly Copy[];
  /** Undefined if there is one repository alone. */
  quorum?: number | undefined;
  /** Of the last run of a backup; null if nobody knows of one. */
  endedAtMs: number | null;
  backups: number;
  nowMs: number;
};

/** A backup that is longer on its way to the other repositories is one to look after. */
const COPYING_MS_MAX = 900_000;

/** A repository that is away counts as one that has it not. Undefined if there is one alone, or no backup. */
export function copyFacts({ copies, quorum, endedAtMs, backups, nowMs }: CopiesOf): CopyFacts | undefined {
  const newest = copies
    .flatMap((copy) => copy.newest ?? [])
    .reduce<NewestOfCopy | undefined>((best, copy) => (best === undefined || isNewer(copy, best) ? copy : best), undefined);
  if (newest === undefined || quorum === undefined) return undefined;
  const lacking = copies.filter((copy) => copy.newest?.label !== newest.label).map(({ repository }) => repository);
  // No run has ended since it was begun. Where Temporal knows of none, it is the first, or nobody can say.
  const isOpen = endedAtMs === null ? backups === 1 : endedAtMs < newest.createdAtMs;
  const isNew = isOpen && nowMs - newest.createdAtMs < COPYING_MS_MAX;
  return { label: newest.label, stored: copies.length - lacking.length, wanted: copies.length, quorum, lacking, isNew };
}

function isNewer(one: NewestOfCopy, other: NewestOfCopy): boolean {
  const [end, otherEnd] = [BigInt(one.end), BigInt(other.end)];
  return end > otherEnd || (end === otherEnd && one.createdAtMs > other.createdAtMs);
}
