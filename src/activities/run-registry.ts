/** Who holds a database's lock. */
export type LockHolder = { workflowId: string; runId: string; type: string; sinceMs: number; open: boolean };

/** What rstow asks Temporal about runs; the agent gives it a client. */
export type RunRegistry = {
  /** Fails: cancelled where the run is closed, temporal-unreachable. */
  checkOpen(workflowId: string, runId: string): Promise<void>;
  isOpen(workflowId: string, runId: string): Promise<boolean>;
  /** Undefined where nobody holds the lock. */
  lockHolder(lockId: string): Promise<LockHolder | undefined>;
  terminate(workflowId: string, reason: string): Promise<void>;
};
