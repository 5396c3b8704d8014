import type { GuardState } from '../guard/guard-state.ts';
import { rhythmOf, twoGapsMs, type WrittenRhythm } from '../schedule/rhythm.ts';
import { type Compaction, compactionLoss, compactionRemedy } from './compaction.ts';

/** What the owner's host says of the server now. */
export type ServerFacts = {
  /** Undefined if the server answers from the data directory; else why that can't be said. */
  failure?: { code: string; sentence: string };
  compaction: Compaction;
  /** What keeps the log whole that compaction shortens. */
  guard: GuardState;
  /** How old the newest backup may be, if the host's config says so. */
  backedUpWithinMs?: number | undefined;
};

/** The schedule that starts the database's backups. */
export type ScheduleFacts = {
  id: string;
  /** Either of both, unless somebody else has given it times that neither can say. */
  everyMs?: number | undefined;
  cron?: string | undefined;
  /** Of `cron`. */
  timeZone?: string | undefined;
  nextAtMs?: number | undefined;
  isPaused: boolean;
};

/** A backup of the history in use. Times are Unix ms. */
export type NewestBackup = {
  label: string;
  createdAtMs: number;
  restorable: string;
  failed?: { code: string; sentence: string } | undefined;
};

export type ProtectionFacts = {
  database: string;
  nowMs: number;
  owner: { agent: string } | null;
  /** Null if the owner's agent doesn't answer. */
  server: ServerFacts | null;
  schedule: ScheduleFacts | null;
  newest: NewestBackup | null;
  /** The newest that can be restored and has failed no check. */
  restorable: NewestBackup | null;
  /** The newest backup, where its manifest can't be read: then `newest` is an older one. */
  unreadable?: { label: string; code: string } | undefined;
  /** The first offset of what is stored and can't be had, because log before it is missing. */
  lostFrom?: string | undefined;
};

/** Why a database is not protected, and what an operator does about it. */
export type ProtectionGap = { code: string; sentence: string; remedy: string };

/** With a schedule whose times are not known, or none. */
const AGE_MAX_MS = 2 * 24 * 3_600_000;

/** So far the clocks of two hosts may be apart. */
const CLOCK_SKEW_MAX_MS = 300_000;

/**
 * What is missing for a database to be protected; nothing where it is. Protected means that it is backed up again and
 * again, that the newest backup is recent and can be restored, and that nothing eats the log in between.
 */
export function protectionGaps(facts: ProtectionFacts): ProtectionGap[] {
  return [
    ...ownerGaps(facts),
    ...serverGaps(facts),
    ...storedGaps({ ...facts, backedUpWithinMs: facts.server?.backedUpWithinMs }),
    ...scheduleGaps(facts),
  ];
}

type StoredFacts = Omit<ProtectionFacts, 'owner' | 'server'> & Pick<ServerFacts, 'backedUpWithinMs'>;

/** Those of what the repository holds. */
export function storedGaps(facts: StoredFacts): ProtectionGap[] {
  return [...unreadableGaps(facts), ...backupGaps(facts), ...archiveGaps(facts)];
}

function ownerGaps({ database, owner, server }: ProtectionFacts): ProtectionGap[] {
  if (owner === null) {
    const sentence = 'no agent owns it: one on the server’s host does as soon as the server answers it';
    const remedy = 'start the agent there; if it runs, start the server, or correct its address in the config file';
    return [gap('owner-outdated', sentence, remedy)];
  }
  if (server !== null) return [];
  return [
    gap(
      'agent-unreachable',
      `agent ${owner.agent}, its owner, does not answer`,
      `start it, or rstow recover ${database} if its host is lost`,
    ),
  ];
}

export function serverGaps({ database, server }: Pick<ProtectionFacts, 'database' | 'server'>): ProtectionGap[] {
  if (server === null) return [];
  const { failure, compaction, guard } = server;
  const gaps =
    failure === undefined
      ? []
      : [gap(failure.code, failure.sentence, `see the server’s own log; if it is down, or its data are lost: rstow recover ${database}`)];
  const loss = compactionLoss(compaction, guard);
  return loss === undefined ? gaps : [...gaps, gap('compaction-on', loss, guardedRemedy(database, compaction, guard))];
}

/** A guard that is off is switched on without a restart of the server. */
function guardedRemedy(database: string, compaction: ServerFacts['compaction'], guard: ServerFacts['guard']): string {
  const remedy = compactionRemedy(compaction);
  return guard.kind === 'off' ? `set databases.${database}.guard.enabled to true and restart the agent, or ${remedy}` : remedy;
}

function unreadableGaps({ database, unreadable }: StoredFacts): ProtectionGap[] {
  if (unreadable === undefined) return [];
  const { label, code } = unreadable;
  const isNewer = code === 'format-unsupported';
  const why = isNewer ? 'was made by a newer rstow, and this one can’t read it' : 'can’t be read';
  const command = isNewer ? 'install the newer rstow on this agent’s host' : `rstow backup ${database}`;
  return [gap(isNewer ? 'format-unsupported' : 'damaged-object', `the manifest of the newest backup, ${label}, ${why}`, command)];
}

function backupGaps({ database, nowMs, newest, restorable, schedule, backedUpWithinMs }: StoredFacts): ProtectionGap[] {
  if (newest === null) return [gap('backup-not-found', 'there is no backup that could be restored', `rstow backup ${database}`)];
  const gaps = ageGaps({ database, nowMs, newest, schedule, backedUpWithinMs });
  if (newest.restorable === 'no')
    gaps.push(
      gap('wal-gap', `the newest backup, ${newest.label}, can’t be restored, because log is missing`, insteadOf(database, restorable)),
    );
  if (newest.failed !== undefined) {
    gaps.push(
      gap(
        newest.failed.code,
        `the newest backup, ${newest.label}, failed a check: ${newest.failed.sentence}`,
        insteadOf(database, restorable),
      ),
    );
  }
  return gaps;
}

/** A backup that can't be restored says so itself; what came since may be out of reach all the same. */
function archiveGaps({ database, newest, lostFrom }: StoredFacts): ProtectionGap[] {
  if (lostFrom === undefined || newest?.restorable === 'no') return [];
  const sentence = `log is missing before offset ${lostFrom}, so that nothing behind it can be recovered`;
  return [gap('wal-gap', sentence, `rstow backup ${database}: it begins the log anew with what the server shows`)];
}

type Aged = Pick<StoredFacts, 'database' | 'nowMs' | 'schedule' | 'backedUpWithinMs'> & { newest: NewestBackup };

/** A time that is still to come says nothing of the age: a clock is wrong, or was. */
function ageGaps({ database, nowMs, newest, schedule, backedUpWithinMs }: Aged): ProtectionGap[] {
  const { label, createdAtMs } = newest;
  const ageMs = nowMs - createdAtMs;
  if (ageMs < -CLOCK_SKEW_MAX_MS) {
    const sentence = `the newest backup, ${label}, has a time that is still to come, so its age is not known`;
    return [gap('clock-contradiction', sentence, `set the clocks of the hosts, then rstow backup ${database}`)];
  }
  return ageMs <= backupAgeMaxMs({ schedule, backedUpWithinMs }, nowMs)
    ? []
    : [gap('backup-too-old', `the newest backup, ${label}, is too old`, `rstow backup ${database}`)];
}

/** How old the newest backup may be: as the config says, else by the schedule of backups. */
export function backupAgeMaxMs(
  { schedule, backedUpWithinMs }: { schedule: WrittenRhythm | null; backedUpWithinMs?: number | undefined },
  nowMs: number,
): number {
  const rhythm = schedule === null ? undefined : rhythmOf(schedule);
  return backedUpWithinMs ?? (rhythm === undefined ? AGE_MAX_MS : twoGapsMs(rhythm, nowMs));
}

function insteadOf(database: string, restorable: NewestBackup | null): string {
  if (restorable === null) return 'no other backup can be restored; keep what is in the data directory';
  return `the newest that can be restored is ${restorable.label}: rstow restore ${database} --backup ${restorable.label}`;
}

export function scheduleGaps({ database, schedule }: Pick<ProtectionFacts, 'database' | 'schedule'>): ProtectionGap[] {
  if (schedule === null) {
    return [
      gap(
        'no-schedule',
        'no schedule backs it up',
        'list hotBackup in the config’s schedules, then rstow schedule apply (docs/operators.md)',
      ),
    ];
  }
  if (!schedule.isPaused) return [];
  return [gap('no-schedule', `its schedule ${schedule.id} is paused`, `rstow schedule resume ${database} hotBackup`)];
}

function gap(code: string, sentence: string, remedy: string): ProtectionGap {
  return { code, sentence, remedy };
}
