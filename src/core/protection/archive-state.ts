import { missingRanges, type SegmentHole, segmentsText } from '../wal/continuity.ts';
import type { SegmentId } from '../wal/wal-offset.ts';
import { countedText, durationText, sizeText } from '../text/figures.ts';
import type { Finding } from './finding.ts';

/** How the stored log and the one in place, in wal/ and in rstow's links beside it, fit together. */
export type ArchiveFacts = {
  /** Whether it is to be stored as it grows. */
  isContinuous: boolean;
  /** Segments that are stored as far as they go. */
  stored: number;
  /** What wal/ has and nobody has stored yet. */
  unsavedSegments: number;
  unsavedBytes: number;
  /**
   * How long it took until what stood in wal/ was stored; if something of it isn't, how long ago that was written at most. Null if nobody
   * can say.
   */
  lagMs: number | null;
  /** What neither the data directory nor the repository has, in words. */
  lost?: string | undefined;
  /** The same, of what the newest backup says by itself. */
  declared?: string | undefined;
  /** Whether objects count only if a listed key has signed them. */
  requiresSignatures: boolean;
  /** In words, if the repository is older than the owner's host knows it. */
  rolledBack?: string | undefined;
  /** Why the two can't be compared. */
  fault?: { code: string; sentence: string } | undefined;
};

type SegmentSets = {
  /** The segments that the data directory or the repository has whole. */
  known: readonly SegmentId[];
  /** The newest backup's; it declares what is missing between them. */
  backedUp: readonly SegmentId[];
  baseline?: SegmentId | undefined;
};

/** So many of one hole are looked at: a file that somebody put there may have any number. */
const HOLE_MAX = 10_000;

function segmentsOf({ first, last }: SegmentHole): SegmentId[] {
  const length = Math.min(last - first + 1, HOLE_MAX);
  return Array.from({ length }, (_, index) => (first + index) as SegmentId);
}

/** What is missing of the log for good, and what of it a backup has declared already. */
export function holesOf({ known, backedUp, baseline }: SegmentSets): Pick<ArchiveFacts, 'lost' | 'declared'> {
  const inBackup = new Set(backedUp);
  const backupEnd = Math.max(0, ...backedUp);
  const isDeclared = (segment: SegmentId): boolean => segment < backupEnd && !inBackup.has(segment);
  const missing = missingRanges([...known, ...backedUp.filter((segment) => segment === backupEnd)], baseline).flatMap(segmentsOf);
  const gone = known.includes(backupEnd as SegmentId) || backupEnd === 0 ? missing : [...missing, backupEnd as SegmentId];
  const [declared, lost] = [gone.filter(isDeclared), gone.filter((segment) => !isDeclared(segment))];
  return {
    lost: lost.length === 0 ? undefined : segmentsText(lost),
    declared: declared.length === 0 ? undefined : segmentsText(declared),
  };
}

/** Whether any point of the log can be recovered, and how far behind the repository is. */
export function archiveFindings(database: string, facts: ArchiveFacts): Finding[] {
  const { unsavedBytes, lagMs, lost, declared, fault } = facts;
  const trust = trustFindings(database, facts);
  const figures: Record<string, number> = { unsavedBytes };
  if (lagMs !== null) figures['lagMs'] = lagMs;
  if (fault !== undefined) {
    return [...trust, { severity: 'critical', code: fault.code, sentence: fault.sentence, hint: FAULT_HINT, figures }];
  }
  const findings = trust;
  if (lost !== undefined) {
    const sentence = `the log lacks ${lost}: neither the data directory nor the repository has them, and no point behind them can be recovered`;
    findings.push({ severity: 'critical', code: 'wal-gap', sentence, hint: lostHint(database) });
  }
  if (declared !== undefined) {
    const sentence = `the log lacks ${declared}, as the newest backup says`;
    findings.push({ severity: 'warning', code: 'hole-declared', sentence, hint: lostHint(database) });
  }
  findings.push(storedFinding(database, facts, figures));
  return findings;
}

/** Whether anybody else could have written what the repository holds, or has taken something away. */
function trustFindings(database: string, { requiresSignatures, rolledBack }: ArchiveFacts): Finding[] {
  const sentence = requiresSignatures
    ? 'what the repository holds counts only if a key that the config lists has signed it'
    : 'what the repository holds counts whoever has written it: its config lists no signers';
  const findings: Finding[] = [{ severity: 'ok', code: requiresSignatures ? 'signatures-required' : 'signatures-unchecked', sentence }];
  if (rolledBack === undefined) return findings;
  const hint = `Find out who has changed the repository, and whether another copy has it. \`rstow backup ${database}\` stores all of the log in place.`;
  return [{ severity: 'critical', code: 'repository-rolled-back', sentence: rolledBack, hint }, ...findings];
}

/** So long an archive may be behind before somebody has to look at once. */
const LATE_CRITICAL_MS = 300_000;

function storedFinding(database: string, facts: ArchiveFacts, figures: Record<string, number>): Finding {
  const { isContinuous, stored, unsavedBytes, unsavedSegments, lagMs } = facts;
  const lacking = `${sizeText(unsavedBytes)} of the log in place, in ${countedText(unsavedSegments, 'segment')}`;
  if (isContinuous && unsavedBytes > 0) {
    const since = lagMs === null ? '' : `, written up to ${durationText(lagMs)} ago`;
    const sentence = `the archive has not stored ${lacking}${since}`;
    const hint = `\`rstow watch rstow/archive/${database}\` says what it waits for; \`rstow archive ${database} --resume\` ends a pause.`;
    return { severity: (lagMs ?? 0) > LATE_CRITICAL_MS ? 'critical' : 'warning', code: 'archive-late', sentence, hint, figures };
  }
  const behind = isContinuous && lagMs !== null ? `, within ${durationText(lagMs)}` : '';
  const has = unsavedBytes === 0 ? 'all of the log in place' : `all but ${lacking}`;
  const rest = unsavedBytes === 0 ? '' : '; the archive is off, so only the next backup stores that';
  const sentence = `the repository has ${has}${behind}: ${countedText(stored, 'segment')}${rest}`;
  return { severity: 'ok', code: 'archive', sentence, figures };
}

const FAULT_HINT = 'Follow “The log and the backups don’t fit” in docs/recovery.md.';

function lostHint(database: string): string {
  return `\`rstow backup ${database}\` now, and \`rstow info ${database}\`: docs/checks.md says what can still be recovered.`;
}
