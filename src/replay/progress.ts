/**
 * What a step says of itself while it works. `doing` is for people; `doneBytes` and `totalBytes` let whoever watches say how
 * much is left; anything else is a fact of its own.
 */
export type StepFacts = { doing?: string; doneBytes?: number; totalBytes?: number; [fact: string]: string | number | undefined };

/** Whom a long reading works for. */
export type Caller = {
  /** Aborted when nobody wants the outcome any more. */
  readonly signal: AbortSignal;
  /** Facts for the operator, seen while the work goes on; never the only record of anything. Cheap: call it often. */
  report(facts: StepFacts): void;
};

/** What a step has done of what it has to do, as whoever watches sees it. */
export type ByteProgress = {
  /** What it is at, such as a file's name. */
  doing(what: string): void;
  add(doneBytes: number): void;
};

export function byteProgress(run: Pick<Caller, 'report'>, totalBytes: number): ByteProgress {
  const facts = { doing: '', doneBytes: 0, totalBytes };
  run.report(facts);
  return {
    doing: (what) => {
      facts.doing = what;
    },
    add: (bytes) => {
      facts.doneBytes = Math.min(facts.totalBytes, facts.doneBytes + bytes);
    },
  };
}
