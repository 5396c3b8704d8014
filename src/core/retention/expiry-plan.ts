import type { BackupKind } from '../backup/label.ts';
import { type Hold, holdSentence, holdsInForce } from './hold.ts';

/** How long backups stay; whatever one of the rules keeps stays. */
export type RetentionRules = {
  keepDays: number;
  /** Of each kind, the newest so many that a check or a recovery test has proved. */
  keepProven: number;
  /** The newest backup of each of the last so many days, weeks, months and years that have one, in UTC. */
  gfs?: { daily: number; weekly: number; monthly: number; yearly: number } | undefined;
  /** Any point of the last so many days can be recovered to, also of histories that were left in that time. */
  windowDays?: number | undefined;
};

/** A backup as retention judges it. */
export type JudgedBackup = {
  label: string;
  kind: BackupKind;
  timeline: string;
  /** When it was made, by the later of the two clocks that say so (Unix ms). */
  atMs: number;
  isInUse: boolean;
  /** Whether a restore takes it: its manifest can be read, its log is whole, and no check has failed since. */
  isGood: boolean;
  /** Whether a check or a recovery test has held, and none has failed since. */
  isProven: boolean;
  /** Its manifest can't be read: nobody knows what it needs. */
  isUnreadable?: boolean | undefined;
  /** The names that its end has. */
  marks: readonly string[];
};

export type Kept = { label: string; why: string[] };
export type Expired = { label: string; why: string };

export type ExpiryPlan = {
  /** In the order of the backups. */
  keep: Kept[];
  expire: Expired[];
  /** The newest that can be restored: nothing may go once that one has failed a check. Undefined where there is none. */
  newestRestorable?: string | undefined;
};

export type ExpiryFacts = {
  /** The newest first: of the history in use, then of those that were left. @see orderBackups */
  backups: readonly JudgedBackup[];
  holds: readonly Hold[];
  /** Each may be the name of any backup's end. */
  unreadableMarks: readonly string[];
  /** The timelines in use, and those that were left within the recovery window. */
  windowTimelines: ReadonlySet<string>;
  rules: RetentionRules;
  nowMs: number;
};

const DAY_MS = 86_400_000;

/** By so much two clocks may differ that nobody has set back. */
export const CLOCK_TOLERANCE_MS = 600_000;

/**
 * Why the times can't be believed, or undefined: by them a backup is older than one that holds less of the same log, or now is before the newest.
 * What is old must not be decided by a clock that was wrong.
 */
export function clockDoubt(backups: readonly JudgedBackup[], nowMs: number): string | undefined {
  const inUse = backups.filter(({ isInUse }) => isInUse);
  const latest = backups.reduce<JudgedBackup | undefined>(
    (best, one) => (best === undefined || one.atMs > best.atMs ? one : best),
    undefined,
  );
  if (latest !== undefined && latest.atMs > nowMs + CLOCK_TOLERANCE_MS) {
    return `backup ${latest.label} was made at ${new Date(latest.atMs).toISOString()}, and now it is ${new Date(nowMs).toISOString()}`;
  }
  let newer: JudgedBackup | undefined;
  for (const backup of inUse) {
    if (newer !== undefined && backup.atMs > newer.atMs + CLOCK_TOLERANCE_MS) {
      return `by the clock ${backup.label} came later than ${newer.label}, which holds more of the log`;
    }
    if (newer === undefined || backup.atMs < newer.atMs) newer = backup;
  }
  return undefined;
}

/** What stays and what goes, with each reason. What no rule keeps goes; a backup counts as made no earlier than any that its log goes back to. */
export function planExpiry(facts: ExpiryFacts): ExpiryPlan {
  const { backups, holds, rules, nowMs } = facts;
  const whys = new Map<string, string[]>(backups.map(({ label }) => [label, []]));
  const keep = (label: string | undefined, why: string): void => {
    if (label !== undefined) whys.get(label)?.push(why);
  };
  const dated = effectiveTimes(backups);
  const good = dated.filter(({ isGood }) => isGood);
  keepLast(backups, good, keep);
  for (const { label, atMs, isUnreadable, marks } of dated) {
    if (atMs > nowMs - rules.keepDays * DAY_MS) keep(label, `younger than ${rules.keepDays} days`);
    if (isUnreadable === true) keep(label, 'its manifest can’t be read');
    for (const mark of marks) keep(label, `its end is called ${mark}`);
    for (const mark of facts.unreadableMarks) keep(label, `the mark ${mark} can’t be read, and may be of its end`);
  }
  for (const hold of holdsInForce(holds, nowMs)) keep(hold.label, holdSentence(hold));
  for (const { label, why } of provenKept(dated, rules.keepProven)) keep(label, why);
  if (rules.gfs !== undefined) for (const { label, why } of gfsKept(good, rules.gfs)) keep(label, why);
  if (rules.windowDays !== undefined) {
    for (const timeline of facts.windowTimelines) {
      keep(endOfTimeline(good, timeline)?.label, `the recovery window of ${rules.windowDays} days needs it`);
    }
  }
  const plan: ExpiryPlan = { keep: [], expire: [], newestRestorable: good[0]?.label };
  for (const { label, atMs } of dated) {
    const why = whys.get(label) ?? [];
    if (why.length > 0) plan.keep.push({ label, why });
    else plan.expire.push({ label, why: `${Math.floor((nowMs - atMs) / DAY_MS)} days old, and no rule keeps it` });
  }
  return plan;
}

/** The newest of the log, the newest by the clock, and whatever is the last that can be restored: of the history in use, and of all. */
function keepLast(
  backups: readonly JudgedBackup[],
  good: readonly JudgedBackup[],
  keep: (label: string | undefined, why: string) => void,
): void {
  keep(backups[0]?.label, 'the newest');
  const latest = backups.reduce<JudgedBackup | undefined>(
    (best, one) => (best === undefined || one.atMs > best.atMs ? one : best),
    undefined,
  );
  if (latest !== undefined && latest.label !== backups[0]?.label) keep(latest.label, 'the last that was made');
  keep(good[0]?.label, 'the newest that can be restored');
}

/** Its newest backup: where a restore has left a timeline half-way, what came behind is no longer in use. */
function endOfTimeline(good: readonly JudgedBackup[], timeline: string): JudgedBackup | undefined {
  const backups = good.filter((backup) => backup.timeline === timeline);
  return backups.find(({ isInUse }) => !isInUse) ?? backups[0];
}

/** A clock that was behind makes nothing older than what it was built upon; per timeline, for each continues its own log. */
function effectiveTimes(backups: readonly JudgedBackup[]): JudgedBackup[] {
  const latestMs = new Map<string, number>();
  const dated = backups.toReversed().map((backup) => {
    const line = backup.isInUse ? 'in use' : backup.timeline;
    const atMs = Math.max(backup.atMs, latestMs.get(line) ?? 0);
    latestMs.set(line, atMs);
    return { ...backup, atMs };
  });
  return dated.toReversed();
}

function provenKept(backups: readonly JudgedBackup[], count: number): Expired[] {
  const byKind = Map.groupBy(
    backups.filter(({ isProven }) => isProven),
    ({ kind }) => kind,
  );
  return [...byKind].flatMap(([kind, proven]) =>
    proven.slice(0, count).map(({ label }) => ({ label, why: `one of the newest ${count} proven backups of kind ${kind}` })),
  );
}

const PERIODS = [
  { name: 'daily', of: (atMs: number) => new Date(atMs).toISOString().slice(0, 10) },
  // Days are counted from a Thursday; weeks begin on Mondays.
  { name: 'weekly', of: (atMs: number) => String(Math.floor((Math.floor(atMs / DAY_MS) + 3) / 7)) },
  { name: 'monthly', of: (atMs: number) => new Date(atMs).toISOString().slice(0, 7) },
  { name: 'yearly', of: (atMs: number) => new Date(atMs).toISOString().slice(0, 4) },
] as const;

/** Of the history in use alone: one that was left, or imported, takes no period's place. */
function gfsKept(good: readonly JudgedBackup[], gfs: NonNullable<RetentionRules['gfs']>): Expired[] {
  const own = good.filter(({ isInUse }) => isInUse);
  return PERIODS.flatMap(({ name, of }) => {
    const newest = new Map<string, string>();
    for (const { label, atMs } of own) if (!newest.has(of(atMs))) newest.set(of(atMs), label);
    return [...newest.values()].slice(0, gfs[name]).map((label) => ({ label, why: `the newest of its period, ${name}` }));
  });
}
