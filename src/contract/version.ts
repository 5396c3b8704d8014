/** This rstow's version, as package.json has it. */
export const RSTOW_VERSION = '0.1.0';

/**
 * Counts the changes of what workflows and agents say to each other: the verbs, their inputs and their answers. A run
 * sends nothing to an agent that counts otherwise.
 */
export const CONTRACT_NUMBER = 1;
