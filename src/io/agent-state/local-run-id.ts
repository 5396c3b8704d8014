import { randomUUID } from 'node:crypto';

/** Ids of runs that Temporal knows nothing of. */
const PREFIX = 'local-';

export const newLocalRunId = (): string => `${PREFIX}${randomUUID()}`;

export const isLocalRunId = (runId: string): boolean => runId.startsWith(PREFIX);

/** Held while the run is at work, so that nobody clears its files; the kernel frees it whatever ends the process. */
export const localRunMutexName = (runId: string): string => `run/${runId}`;
