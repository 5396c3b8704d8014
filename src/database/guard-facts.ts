import { deletedAtEndSentence, lostSentence } from '../core/guard/guard-state.ts';
import { sizeText } from '../core/text/figures.ts';
import { segmentsText } from '../core/wal/continuity.ts';
import type { SegmentId } from '../core/wal/wal-offset.ts';
import { guardPinFolder } from '../io/data-directory/pins.ts';
import type { Database } from './database.ts';
import { type GuardDone, type GuardView, keptBytes, UNSEEN } from './guard.ts';

/** What the guard has done, or can't do; said once. */
export type GuardFact = {
  kind:
    | 'log-pinned'
    | 'log-linked-back'
    | 'log-taken-out'
    | 'restart-missed'
    | 'log-deleted-at-end'
    | 'guard-hands-off'
    | 'guard-unsupported'
    | 'guard-over-budget'
    | 'guard-pins-cleared';
  sentence: string;
  database: string;
  code?: string | undefined;
  segments?: readonly SegmentId[] | undefined;
  keptBytes?: number | undefined;
};

export function doneFacts(database: string, { pinned, linkedBack, takenOut }: GuardDone): GuardFact[] {
  const facts: GuardFact[] = [];
  if (pinned.length > 0) {
    facts.push({ kind: 'log-pinned', database, segments: pinned, sentence: `pinned ${segmentsText(pinned)} of the log` });
  }
  if (linkedBack.length > 0) {
    const sentence = `compaction had deleted ${segmentsText(linkedBack)} of the log, which the next start needs: linked back`;
    facts.push({ kind: 'log-linked-back', database, segments: linkedBack, sentence });
  }
  if (takenOut.length > 0) {
    const sentence = `the server had read its log a moment before ${segmentsText(takenOut)} was linked back: taken out again`;
    facts.push({ kind: 'log-taken-out', database, segments: takenOut, sentence });
  }
  return facts;
}

/** What stays as it is until a person does something. */
export function lastingFacts(database: Database, view: GuardView, lost: readonly SegmentId[] = view.noted.lost): GuardFact[] {
  const { name, settings } = database;
  const { decision, server } = view;
  const facts: GuardFact[] = [];
  if (decision.kind === 'replaced') return [handsOff(database, view)];
  if (lost.length > 0) {
    facts.push({
      kind: 'restart-missed',
      database: name,
      code: 'wal-gap',
      segments: lost,
      sentence: lostSentence(name, segmentsText(lost)),
    });
  }
  if (decision.deletedAtEnd.length > 0) facts.push(deletedAtEnd(name, decision.deletedAtEnd));
  if (server === 'unseen') facts.push(unsupportedFact(name, UNSEEN));
  const bytes = keptBytes(view);
  if (bytes > settings.guard.budgetBytes) facts.push(overBudget(name, bytes, settings.guard.budgetBytes));
  return facts;
}

export function unsupportedFact(database: string, why: string): GuardFact {
  const sentence = `the restart guard can’t work: ${why}. Segments that compaction deletes are lost to the server’s next start`;
  return { kind: 'guard-unsupported', database, code: 'data-directory-unsupported', sentence };
}

function handsOff({ name, dataDir, walDir }: Database, { decision, timeline }: GuardView): GuardFact {
  const segment = decision.kind === 'replaced' ? decision.segment : undefined;
  const what = segment === undefined ? `none of the segments in ${walDir}` : `segment ${segment} in ${walDir}`;
  const sentence = `${what} is the file that the restart guard has pinned: somebody has replaced the log. The guard does nothing until ${guardPinFolder(dataDir, timeline)} is removed`;
  return {
    kind: 'guard-hands-off',
    database: name,
    code: 'data-directory-replaced',
    segments: segment === undefined ? undefined : [segment],
    sentence,
  };
}

function deletedAtEnd(database: string, segments: readonly SegmentId[]): GuardFact {
  const sentence = `${deletedAtEndSentence(segmentsText(segments))}. Take a backup now, and restore it`;
  return { kind: 'log-deleted-at-end', database, code: 'wal-gap', segments, sentence };
}

function overBudget(database: string, bytes: number, budgetBytes: number): GuardFact {
  const sentence = `the restart guard keeps more than ${sizeText(budgetBytes)} of log that compaction has deleted. All of it is needed by the next start, so none is dropped: make the log shorter (docs/architecture.md), or raise guard.budgetBytes`;
  return { kind: 'guard-over-budget', database, code: 'not-enough-space', keptBytes: bytes, sentence };
}

export function clearedFact(database: string, timeline: string, why: string): GuardFact {
  const sentence = `removed the pins of timeline ${timeline}, ${why}`;
  return { kind: 'guard-pins-cleared', database, sentence };
}
