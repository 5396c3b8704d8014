/** How a run that did not fail has ended. */
export type Outcome = 'done' | 'warnings' | 'skipped' | 'not-needed' | 'restarted';

/** Something a person should know although the run went on. */
export type Warning = { code: string; message: string };

/** What every workflow returns. */
export type CommonResult = {
  outcome: Outcome;
  /** The Temporal run that did it: its history is the record. */
  runId: string;
  database: string;
  warnings: Warning[];
};

export function outcomeOf(warnings: readonly Warning[]): Outcome {
  return warnings.length === 0 ? 'done' : 'warnings';
}

/** A warning that comes before the result's own. */
export function withWarning<Result extends CommonResult>(result: Result, warning: Warning): Result {
  const warnings = [warning, ...result.warnings];
  return { ...result, warnings, outcome: result.outcome === 'done' ? outcomeOf(warnings) : result.outcome };
}

/** Where a run is: the answer to the query `progress`. */
export type Progress = {
  /** One short phrase, such as `storing segments`. */
  phase: string;
  /** What it waits for, where it waits. */
  waitsFor?: string | undefined;
  /** Workflow time at which the phase began, Unix ms. */
  sinceMs: number;
};
