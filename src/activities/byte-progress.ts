import type { RunPort } from './run-port.ts';

/** What a step has done of what it has to do, as whoever watches sees it. */
export type ByteProgress = {
  /** What it is at, such as a file's name. */
  doing(what: string): void;
  add(doneBytes: number): void;
};

export function byteProgress(run: Pick<RunPort, 'report'>, totalBytes: number): ByteProgress {
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
