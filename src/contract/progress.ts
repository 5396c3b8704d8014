/** Where a run is: the answer to the query `progress`. */
export type Progress = {
  /** One short phrase, such as `storing segments`. */
  phase: string;
  /** What it waits for, where it waits. */
  waitsFor?: string | undefined;
  /** Workflow time at which the phase began, Unix ms. */
  sinceMs: number;
};
