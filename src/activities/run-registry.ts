/** One run of a workflow: its id alone may by now mean a later run. */
export type OneRun = { workflowId: string; runId: string };

/** Who holds a database's lock, and the lock's own run. */
export type LockHolder = OneRun & { type: string; sinceMs: number; open: boolean; lockRunId: string };

/** A run and all that continue it, by retry, reset or continue-as-new. */
export type RunChain = { workflowId: string; firstRunId: string; workflowType: string };

/** What rstow asks Temporal about runs; the agent gives it a client. */
export type RunRegistry = {
  /** Fails: cancelled where the run is closed, temporal-unreachable. */
  checkOpen(workflowId: string, runId: string): Promise<void>;
  isOpen(workflowId: string, runId: string): Promise<boolean>;
  /** Fails: cancelled where there is no such run, temporal-unreachable. */
  chainOf(workflowId: string, runId: string): Promise<RunChain>;
  /** Undefined where nobody holds the lock. */
  lockHolder(lockId: string): Promise<LockHolder | undefined>;
  /** Twice: no-op, as for a run that has ended. */
  terminate(run: OneRun, reason: string): Promise<void>;
};
