import type { BackupKind } from '../backup/label.ts';
import { type JudgedBackup, planExpiry, type RetentionRules } from './expiry-plan.ts';

/** What a scheduled run does to the backups that there are: one more, the newest one proved, or all go that no rule keeps. */
export type PlannedRun = { atMs: number; does: { makes: BackupKind } | 'proves' | 'expires' };

/**
 * Which backups there will be, the newest first, if there is none now, every run succeeds, and nothing is held or restored meanwhile. Only the
 * last expiry counts: none lets go what a later one would keep.
 */
export function forecastBackups(runs: readonly PlannedRun[], rules: RetentionRules): JudgedBackup[] {
  const inOrder = runs.toSorted((one, other) => one.atMs - other.atMs);
  const lastExpiry = inOrder.findLast(({ does }) => does === 'expires');
  let oldestFirst: JudgedBackup[] = [];
  for (const run of inOrder) {
    const { atMs, does } = run;
    const newest = oldestFirst.at(-1);
    if (run === lastExpiry) oldestFirst = whatStays(oldestFirst, rules, atMs);
    else if (does === 'proves' && newest !== undefined) newest.isProven = true;
    else if (typeof does === 'object') oldestFirst.push(madeAt(atMs, does.makes));
  }
  return oldestFirst.toReversed();
}

function madeAt(atMs: number, kind: BackupKind): JudgedBackup {
  return { label: `${atMs}-${kind}`, kind, timeline: '', atMs, isInUse: true, isGood: true, isProven: false, marks: [] };
}

function whatStays(oldestFirst: readonly JudgedBackup[], rules: RetentionRules, nowMs: number): JudgedBackup[] {
  const facts = { holds: [], unreadableMarks: [], windowTimelines: new Set(['']), rules, nowMs };
  const { keep } = planExpiry({ ...facts, backups: oldestFirst.toReversed() });
  const kept = new Set(keep.map(({ label }) => label));
  return oldestFirst.filter(({ label }) => kept.has(label));
}
