/**
 * Where the part of a list begins that becomes one, if the list is to have at most so many members; its length if it has. The newest
 * stand last. It is the shortest end whose first member is no larger than all that follow it, and whatever stands before it and is no
 * larger than that: so everything is rewritten only into something of twice its size. If there is no such end, each member is larger than all
 * that follow: the last two are small then, and go together.
 */
export function mergedFrom(sizes: readonly number[], countMax: number): number {
  if (sizes.length <= countMax) return sizes.length;
  const behind = sizes.map(() => 0);
  for (let index = sizes.length - 2; index >= 0; index -= 1) behind[index] = (behind[index + 1] ?? 0) + (sizes[index + 1] ?? 0);
  const isNoLarger = (index: number): boolean => (sizes[index] ?? 0) <= (behind[index] ?? 0);
  let first = sizes.findLastIndex((_, index) => isNoLarger(index));
  if (first < 0) first = sizes.length - 2;
  while (first > 0 && isNoLarger(first - 1)) first -= 1;
  return first;
}
