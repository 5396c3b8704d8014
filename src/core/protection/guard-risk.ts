import { deletedAtEndSentence, type GuardState, lostSentence } from '../guard/guard-state.ts';
import { countedText, sizeText } from '../text/figures.ts';
import { segmentsText } from '../wal/continuity.ts';
import type { Finding } from './finding.ts';

export type GuardFacts = { state: GuardState; isCompactionOn: boolean; /** What it may keep before it warns. */ budgetBytes: number };

/** Whether the log stays complete that the next start needs. That automatic compaction is on without a guard is the verdict's to say. */
export function guardFindings(database: string, { state, isCompactionOn, budgetBytes }: GuardFacts): Finding[] {
  switch (state.kind) {
    case 'off': {
      const sentence = 'the restart guard is off: compaction, which any client can ask for, deletes log that the next start needs';
      return [{ severity: 'warning', code: 'guard-off', sentence, hint: `Set databases.${database}.guard.enabled to true.` }];
    }
    case 'unsupported': {
      const sentence = `the restart guard can’t work here (${state.why}): compaction deletes log that the next start needs`;
      const hint =
        'Keep wal/ an ordinary folder of the data directory, on a file system with hard links, and turn compaction off until then.';
      return [{ severity: 'warning', code: 'guard-unsupported', sentence, hint }];
    }
    case 'waiting':
      return [{ severity: 'warning', code: 'guard-waiting', sentence: 'the restart guard has nothing of the log yet', hint: WAIT_HINT }];
    case 'replaced': {
      const sentence = `the restart guard leaves the log alone, for it is another one than it has pinned: ${state.why}`;
      return [
        {
          severity: 'critical',
          code: 'guard-hands-off',
          sentence,
          hint: 'Find out who has put it there. A restore by rstow is no such case.',
        },
      ];
    }
    case 'on':
      return workingFindings(database, state, { isCompactionOn, budgetBytes });
  }
}

const WAIT_HINT = 'It looks each second while the agent runs: read the agent’s log if this stays so.';

type Working = Omit<GuardFacts, 'state'>;

function workingFindings(
  database: string,
  state: Extract<GuardState, { kind: 'on' }>,
  { isCompactionOn, budgetBytes }: Working,
): Finding[] {
  const { pinned, missing, deletedAtEnd = [], lost, keptBytes } = state;
  const findings: Finding[] = [];
  if (deletedAtEnd.length > 0) {
    const hint = `\`rstow backup ${database}\` now, and restore it.`;
    findings.push({ severity: 'critical', code: 'log-deleted-at-end', sentence: deletedAtEndSentence(segmentsText(deletedAtEnd)), hint });
  }
  if (lost.length > 0) {
    const hint = `\`rstow backup ${database}\`, which begins with what the server shows; then \`rstow rebase ${database}\`.`;
    findings.push({ severity: 'critical', code: 'restart-missed', sentence: lostSentence(database, segmentsText(lost)), hint });
  }
  if (missing.length > 0) {
    const sentence = `the restart guard has not linked back ${segmentsText(missing)} yet`;
    findings.push({ severity: 'warning', code: 'guard-behind', sentence, hint: WAIT_HINT });
  }
  if (keptBytes > budgetBytes) {
    const sentence = `the restart guard keeps ${sizeText(keptBytes)} of log that compaction has deleted, more than the ${sizeText(budgetBytes)} of its budget`;
    const hint = `\`rstow rebase ${database}\` makes the log short; or raise databases.${database}.guard.budgetBytes.`;
    findings.push({ severity: 'warning', code: 'guard-over-budget', sentence, hint });
  }
  const compaction = isCompactionOn ? '; automatic compaction is on, and what it deletes is linked back' : '';
  const sentence = `the restart guard holds ${countedText(pinned, 'segment')}, ${sizeText(keptBytes)} of which compaction has deleted${compaction}`;
  return [...findings, { severity: 'ok', code: 'guard', sentence, figures: { guardKeptBytes: keptBytes } }];
}
