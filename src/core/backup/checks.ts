/** How deep a check of a backup goes: each includes the ones before. */
export const CHECK_LEVELS = ['checksums', 'records', 'replay'] as const;
export type CheckLevel = (typeof CHECK_LEVELS)[number];

/** What is remembered of one check of one backup. */
export type CheckFact = {
  level: CheckLevel;
  atMs: number;
  /** `key`: of the object that was damaged. */
  failure?: { code: string; sentence: string; key?: string | undefined } | undefined;
  /** No check: these objects were stored again. */
  repairedKeys?: readonly string[] | undefined;
};

export type CheckSummary = {
  /** The deepest check that held, and when (Unix ms). */
  verified?: { level: CheckLevel; atMs: number } | undefined;
  /** The newest failure that no later check of at least its depth has lifted, and no repair of the object. */
  failed?: { code: string; sentence: string; atMs: number } | undefined;
};

/** What the checks of a backup come to, in any order. A failure is not lifted by a check of less depth. */
export function summariseChecks(facts: readonly CheckFact[]): CheckSummary {
  const held = facts.filter(({ failure, repairedKeys }) => failure === undefined && repairedKeys === undefined).sort(byDepth);
  const isLifted = (failed: CheckFact): boolean =>
    held.some((fact) => fact.atMs > failed.atMs && depthOf(fact) >= depthOf(failed)) || isRepaired(failed, facts);
  const failed = facts
    .filter((fact) => fact.failure !== undefined && !isLifted(fact))
    .sort((left, right) => left.atMs - right.atMs)
    .at(-1);
  const deepest = held.at(-1);
  return {
    verified: deepest === undefined ? undefined : { level: deepest.level, atMs: deepest.atMs },
    failed: failed?.failure === undefined ? undefined : failedOf(failed.failure, failed.atMs),
  };
}

function failedOf({ code, sentence }: NonNullable<CheckFact['failure']>, atMs: number): NonNullable<CheckSummary['failed']> {
  return { code, sentence, atMs };
}

function isRepaired({ failure, atMs }: CheckFact, facts: readonly CheckFact[]): boolean {
  const key = failure?.key;
  return key !== undefined && facts.some((fact) => fact.atMs > atMs && fact.repairedKeys?.includes(key) === true);
}

function byDepth(left: CheckFact, right: CheckFact): number {
  return depthOf(left) - depthOf(right) || left.atMs - right.atMs;
}

function depthOf({ level }: CheckFact): number {
  return CHECK_LEVELS.indexOf(level);
}
