import type { Found } from './incident.ts';
import { type BackupFacts, backupFindings, type CheckLimits, gapFinding } from '../protection/check.ts';
import { type CopiesOf, copyFacts } from '../protection/copies.ts';
import type { Finding } from '../protection/finding.ts';
import type { HostFacts } from '../protection/host-risks.ts';
import { type NewestBackup, type ProtectionFacts, scheduleGaps, storedGaps } from '../protection/verdict.ts';
import { durationText } from '../text/figures.ts';

/** What Temporal knows of the runs that protect a database. */
export type LastRuns = Pick<ProtectionFacts, 'schedule'> & {
  lastBackup: { workflowId: string; endedAtMs: number; failure?: { code: string; sentence: string } | undefined } | null;
  /** Of each type but backups the run that ended last, if that failed. */
  failed?: { type: string; workflowId: string; failure: { code: string; sentence: string } }[] | undefined;
  archive: { pausedBy?: string | undefined } | null;
};

/** What a repository says of a database's backups. */
export type WatchedRepository = Pick<ProtectionFacts, 'restorable' | 'unreadable'> &
  Pick<BackupFacts, 'tested' | 'testFailed' | 'freeBytes'> &
  Pick<CopiesOf, 'copies' | 'quorum' | 'backups'> & {
    latest: NewestBackup | null;
    window: { lost?: { from: string } | null | undefined; times?: { sinceMs: number } | null | undefined } | null;
    lastVerified: BackupFacts['verified'];
  };

type Watched = {
  database: string;
  nowMs: number;
  stored: WatchedRepository;
  runs: LastRuns | undefined;
  host: HostFacts | undefined;
  limits: CheckLimits & { backedUpWithinMs?: number | undefined };
};

/** Whether the newest backup is recent, whole, verified and tested, and in all of its repositories. */
export function repositoryFindings({ database, nowMs, stored, runs, host, limits }: Watched): Finding[] {
  const { latest, restorable, unreadable, window, lastVerified, tested, testFailed, freeBytes, backups } = stored;
  const gaps = storedGaps({
    ...{ database, nowMs, newest: latest, restorable, unreadable, lostFrom: window?.lost?.from },
    ...{ schedule: runs?.schedule ?? null, backedUpWithinMs: limits.backedUpWithinMs },
  });
  const copies = copyFacts({ ...stored, endedAtMs: runs?.lastBackup?.endedAtMs ?? null, backups, nowMs });
  const facts = { latest, sinceMs: window?.times?.sinceMs ?? null, verified: lastVerified, tested, testFailed, freeBytes, copies };
  const unasked = { unasked: { code: 'failed', sentence: '' } };
  return [
    ...gaps.map(gapFinding).map(graveIfOld),
    ...backupFindings({ database, nowMs, gaps, host: host === undefined ? unasked : { facts: host, limits } }, facts),
  ];
}

/** Whoever asks for a check sees it in time; nobody may have asked for long when an alert is sent. */
function graveIfOld(finding: Finding): Finding {
  return finding.code === 'backup-too-old' ? { ...finding, severity: 'critical' } : finding;
}

/** Whether backups are made on a schedule, the last run came to its end, and nobody has paused the archive. */
export function runFindings(database: string, { schedule, lastBackup, failed = [], archive }: LastRuns): Found[] {
  const findings: Found[] = scheduleGaps({ database, schedule }).map(gapFinding);
  if (lastBackup?.failure !== undefined) {
    const { code, sentence } = lastBackup.failure;
    const hint = `\`rstow watch ${lastBackup.workflowId}\` has the whole of it; then \`rstow backup ${database}\`.`;
    findings.push({ severity: 'critical', code: 'backup-failed', sentence: `the last backup failed: ${code}: ${sentence}`, hint });
  }
  // An archive that has failed and is at work again is no failure any more.
  for (const run of failed.filter(({ type }) => type !== 'archiveWal' || archive === null)) findings.push(failedFinding(run));
  if (archive?.pausedBy !== undefined) {
    const sentence = `${archive.pausedBy} has paused the archive: what is written now is stored only by the next backup`;
    findings.push({ severity: 'warning', code: 'archive-paused', sentence, hint: `\`rstow archive ${database} --resume\`.` });
  }
  return findings;
}

function failedFinding({ type, workflowId, failure: { code, sentence } }: NonNullable<LastRuns['failed']>[number]): Found {
  const hint = `\`rstow watch ${workflowId}\` has the whole of it; it is over when the next ${type} succeeds.`;
  return { severity: 'warning', code: 'run-failed', subject: type, sentence: `the last ${type} failed: ${code}: ${sentence}`, hint };
}

/** So long a look at the log may take before people are told, and before it is grave. */
const LATE_MS = 60_000;
const LATE_CRITICAL_MS = 300_000;

/** `agoMs`: since the archive has last stored all of the log. */
export function archiveLateFinding(database: string, agoMs: number): Finding[] {
  if (agoMs <= LATE_MS) return [];
  const sentence = `the archive has not stored the log since ${durationText(agoMs)} ago`;
  const hint = `\`rstow watch rstow/archive/${database}\` says what it waits for.`;
  return [{ severity: agoMs > LATE_CRITICAL_MS ? 'critical' : 'warning', code: 'archive-late', sentence, hint, figures: { lagMs: agoMs } }];
}
