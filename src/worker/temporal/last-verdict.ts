/** So many in a row that say nothing are looked behind: each may take a request. */
const PASSED_OVER_MAX = 100;

/** The first of them, the newest first, that isn't undefined. Behind too many that are, what was found for this key before still counts. */
type LastVerdict<Verdict> = (key: string, verdicts: AsyncIterable<Verdict | undefined>) => Promise<Verdict | undefined>;

export function createLastVerdict<Verdict>(): LastVerdict<Verdict> {
  const known = new Map<string, Verdict>();
  return async (key, verdicts) => {
    let passedOver = 0;
    for await (const verdict of verdicts) {
      if (verdict !== undefined) {
        known.set(key, verdict);
        return verdict;
      }
      passedOver += 1;
      if (passedOver === PASSED_OVER_MAX) return known.get(key);
    }
    known.delete(key);
    return undefined;
  };
}
