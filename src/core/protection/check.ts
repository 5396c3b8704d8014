import { durationText, sizeText, timeText } from '../text/figures.ts';
import { type ArchiveFacts, archiveFindings } from './archive-state.ts';
import { byWeight, type Finding, type Severity } from './finding.ts';
import { type HostFacts, hostFindings, spaceFinding } from './host-risks.ts';
import { type RestartFacts, restartFindings } from './restart-risk.ts';
import { rebaseDue } from './rebase-due.ts';
import type { NewestBackup, ProtectionGap } from './verdict.ts';

/** What could not be asked, and why. */
export type Unasked = { unasked: { code: string; sentence: string } };

/** Of the repository's backups and of what checks have found of them. Times are Unix ms. */
export type BackupFacts = {
  latest: Pick<NewestBackup, 'label' | 'createdAtMs'> | null;
  /** Of the oldest point that can be recovered. */
  sinceMs: number | null;
  verified: { label: string; atMs: number } | null;
  tested: { label: string; atMs: number } | null;
  testFailed: { label: string; code: string; sentence: string } | null;
  /** Of a database with several repositories: which of them have the newest backup. */
  copies?: CopyFacts | undefined;
  /** Who has paused the archive, if anybody has. */
  archivePausedBy?: string | undefined;
  /** Absent if nobody can say. */
  freeBytes: number | null;
};

/** `lacking`: they have it not, or can't be asked. `isNew`: the run that made it may still be copying it. */
export type CopyFacts = { label: string; stored: number; wanted: number; quorum: number; lacking: string[]; isNew: boolean };

/** How long ago what was checked may be. */
export type CheckLimits = { verifiedWithinMs: number; testedWithinMs: number };

export type CheckFacts = {
  database: string;
  nowMs: number;
  /** The verdict of protection. */
  gaps: readonly ProtectionGap[];
  /** The search attributes that the namespace of Temporal has refused. */
  refusedAttributes: readonly string[];
  /** What former owners' servers say, if any still answer. */
  stale: readonly string[];
  backups: BackupFacts | Unasked;
  restart: RestartFacts | Unasked;
  host: { facts: HostFacts; limits: CheckLimits } | Unasked;
  archive: ArchiveFacts | Unasked;
};

type Checked = Pick<CheckFacts, 'database' | 'nowMs' | 'gaps' | 'host'>;

/** What a check comes to: the heaviest findings first. What could not be asked is unknown, never ok. */
export function checkFindings(facts: CheckFacts): Finding[] {
  const { database, gaps, stale, restart, host, archive, backups } = facts;
  return byWeight([
    ...(isUnasked(restart) ? [unasked('restart', 'what a restart would lose', restart)] : restartFindings(database, restart)),
    ...gaps.map(gapFinding),
    ...stale.map((sentence): Finding => ({ severity: 'critical', code: 'owner-outdated', sentence })),
    ...(isUnasked(backups) ? [unasked('repository', 'what the repository holds', backups)] : backupFindings(facts, backups)),
    ...(isUnasked(archive) ? [unasked('archive', 'whether the log is stored', archive)] : archiveFindings(database, archive)),
    ...rebaseFindings(facts),
    ...attributeFindings(facts),
    ...(isUnasked(host) ? [unasked('host', 'the server’s memory, disk and settings', host)] : hostFindings(database, host.facts)),
  ]);
}

function isUnasked(facts: object): facts is Unasked {
  return 'unasked' in facts;
}

function unasked(subject: string, what: string, { unasked: { code, sentence } }: Unasked): Finding {
  return { severity: 'unknown', code: `${subject}-unknown`, sentence: `${what} could not be asked: ${code}: ${sentence}` };
}

/** Whatever keeps a database from being protected is critical, but for these. */
const GAP_SEVERITIES: Readonly<Record<string, Severity>> = {
  'agent-unreachable': 'unknown',
  'backup-too-old': 'warning',
  'clock-contradiction': 'warning',
  'no-schedule': 'warning',
};

export function gapFinding({ code, sentence, remedy }: ProtectionGap): Finding {
  return { severity: GAP_SEVERITIES[code] ?? 'critical', code, sentence, hint: remedy };
}

/** Where the owner's host doesn't say how its config wants it. */
const DEFAULT_LIMITS: CheckLimits = { verifiedWithinMs: 8 * 86_400_000, testedWithinMs: 32 * 86_400_000 };

/** What the verdict of protection says of the age already is not said again. */
const AGE_GAPS = ['backup-too-old', 'clock-contradiction', 'backup-not-found'];

export function backupFindings({ database, nowMs, gaps, host }: Checked, facts: BackupFacts): Finding[] {
  const { latest, testFailed, freeBytes } = facts;
  const limits = isUnasked(host) ? DEFAULT_LIMITS : host.limits;
  const findings: Finding[] = [];
  if (latest !== null && !gaps.some(({ code }) => AGE_GAPS.includes(code))) {
    const ageMs = Math.max(0, nowMs - latest.createdAtMs);
    const sentence = `the newest backup, ${latest.label}, was made ${durationText(ageMs)} ago`;
    findings.push({ severity: 'ok', code: 'backup-recent', sentence, figures: { backupAgeMs: ageMs } });
  }
  findings.push(
    ...ageFinding(VERIFICATION, { at: facts.verified, limitMs: limits.verifiedWithinMs, sinceMs: facts.sinceMs, database, nowMs }),
  );
  findings.push(
    ...ageFinding(RECOVERY_TEST, { at: facts.tested, limitMs: limits.testedWithinMs, sinceMs: facts.sinceMs, database, nowMs }),
  );
  if (facts.copies !== undefined) findings.push(copyFinding(database, facts.copies));
  if (testFailed !== null) {
    const sentence = `the last recovery test, of ${testFailed.label}, failed: ${testFailed.sentence}`;
    findings.push({
      severity: 'critical',
      code: testFailed.code,
      sentence,
      hint: `\`rstow test-recovery ${database}\` once its cause is mended.`,
    });
  }
  if (facts.archivePausedBy !== undefined) {
    const sentence = `${facts.archivePausedBy} has paused the archive: what is written now is stored only by the next backup`;
    findings.push({ severity: 'warning', code: 'archive-paused', sentence, hint: `\`rstow archive ${database} --resume\`.` });
  }
  if (freeBytes !== null) {
    const growthPerDayBytes = isUnasked(host) ? 0 : host.facts.log.growthPerDayBytes;
    findings.push(spaceFinding('repository-space', 'the repository', { freeBytes, growthPerDayBytes }));
  }
  return findings;
}

function copyFinding(database: string, { label, stored, wanted, quorum, lacking, isNew }: CopyFacts): Finding {
  const figures = { copiesStored: stored, copiesWanted: wanted };
  const sentence = `the newest backup, ${label}, is in ${stored} of ${wanted} repositories`;
  if (stored === wanted) return { severity: 'ok', code: 'copies', sentence, figures };
  const hint = `\`rstow copy ${database}\` once they answer.`;
  const without = `${sentence}, and not in ${lacking.join(', ')}`;
  if (stored >= quorum) return { severity: 'warning', code: 'copies-lacking', sentence: without, hint, figures };
  if (isNew) return { severity: 'warning', code: 'copies-lacking', sentence: `${without}: its run may still be copying it`, hint, figures };
  return { severity: 'critical', code: 'quorum-not-reached', sentence: `${without}; at least ${quorum} have to have it`, hint, figures };
}

/** A start that loses data, or doesn't fit into memory, is a finding of its own, and its hint names the rebase. */
function rebaseFindings({ database, restart, host }: CheckFacts): Finding[] {
  if (isUnasked(restart)) return [];
  const { sizeBytes: logBytes, stateBytes, lastSegmentBytes } = restart;
  const memoryBytes = isUnasked(host) ? undefined : host.facts.memory.availableBytes;
  const { reasons, sentences, startMemoryBytesAfter } = rebaseDue({ logBytes, stateBytes, lastSegmentBytes, memoryBytes, lostAtStart: 0 });
  const at = reasons.indexOf('log-outgrew-state');
  if (at < 0) return [];
  const hint = `\`rstow rebase ${database}\` at a quiet time: a start takes about ${sizeText(startMemoryBytesAfter)} of memory then.`;
  return [{ severity: 'warning', code: 'rebase-due', sentence: sentences[at] ?? '', hint, figures: { stateBytes } }];
}

/** Runs are found without them by their ids alone. */
function attributeFindings({ refusedAttributes }: CheckFacts): Finding[] {
  if (refusedAttributes.length === 0) return [];
  const sentence = `Temporal has refused the search attributes ${refusedAttributes.join(', ')}: runs can’t be searched by them`;
  const hint = '`temporal operator search-attribute create --name NAME --type Keyword` for each of them, then restart the agents.';
  return [{ severity: 'warning', code: 'search-attributes-refused', sentence, hint }];
}

type Kind = { noun: string; ok: string; due: string; command: string; figure: string };

const VERIFICATION: Kind = {
  noun: 'verification',
  ok: 'verified',
  due: 'verification-due',
  command: 'verify',
  figure: 'verificationAgeMs',
};

const RECOVERY_TEST: Kind = { noun: 'recovery test', ok: 'tested', due: 'test-due', command: 'test-recovery', figure: 'testAgeMs' };

type Aged = Pick<CheckFacts, 'database' | 'nowMs'> & { at: BackupFacts['verified']; limitMs: number; sinceMs: number | null };

/** A database that has backups for a shorter time than that has its first check still to come. */
function ageFinding({ noun, ok, due, command, figure }: Kind, { at, limitMs, sinceMs, database, nowMs }: Aged): Finding[] {
  const hint = `\`rstow ${command} ${database}\`, or a schedule that does it (docs/workflows.md).`;
  if (at === null) {
    if (sinceMs === null || nowMs - sinceMs <= limitMs) return [];
    return [{ severity: 'warning', code: due, sentence: `no ${noun} has held since ${timeText(sinceMs)}`, hint }];
  }
  const ageMs = Math.max(0, nowMs - at.atMs);
  const sentence = `the last ${noun} that held, of ${at.label}, was ${durationText(ageMs)} ago`;
  const figures = { [figure]: ageMs };
  if (ageMs <= limitMs) return [{ severity: 'ok', code: ok, sentence, figures }];
  return [{ severity: 'warning', code: due, sentence, hint, figures }];
}
