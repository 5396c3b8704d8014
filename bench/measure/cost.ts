/** What one step of one contestant cost. CPU counts user and system time of all threads and child processes. */
export type Cost = {
  cpuSeconds: number;
  wallSeconds: number;
  /** The largest process's peak; for a long-running process only what came on top of its idle size. */
  peakRssMb: number;
  /** What lies in the store afterwards; absent for steps that store nothing. */
  storedBytes?: number;
};

/** The steps in the order in which they run. */
export const STEPS = ['full', 'unchanged', 'grown', 'verify', 'restore', 'log', 'diff'] as const;
export type Step = (typeof STEPS)[number];

export type Costs = Partial<Record<Step, Cost>>;
