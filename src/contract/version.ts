/** This rstow's version, as package.json has it. */
export const RSTOW_VERSION = '0.1.0';

/**
 * Counts the changes of what workflows and agents say to each other: the recipes, the verbs, their inputs and their
 * answers. Releases of one number replay each other's runs; a run of another number is left to agents of that number.
 */
export const CONTRACT_NUMBER = 1;

/** Of Temporal's worker versions, each of which is one contract. */
export const DEPLOYMENT_NAME = 'rstow';

const BUILD_ID_PREFIX = 'contract-';

export const buildIdOf = (contract: number): string => `${BUILD_ID_PREFIX}${contract}`;

/** Undefined where the build id is not one of rstow's. */
export function contractOf(buildId: string): number | undefined {
  const digits = buildId.startsWith(BUILD_ID_PREFIX) ? buildId.slice(BUILD_ID_PREFIX.length) : '';
  return /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : undefined;
}

/** Gives an open run to agents of another contract. */
export type MoveRun = (run: { workflowId: string; runId: string; contract: number }) => Promise<void>;
