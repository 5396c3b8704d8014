import type { Activities } from '../activities/activities.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedRestore } from '../activities/restore/plan-restore.ts';
import type { FirstBackup } from '../contract/hot-backup.ts';
import type { CommonResult, Warning } from '../contract/result.ts';

/** The verbs, carried out at one place. */
type Verbs = (place: Place) => Activities;

/**
 * All that a recipe knows of whoever runs it: Temporal (`temporal/engine.ts`), or one process alone
 * (`src/local/local-engine.ts`). Whatever a verb or a wait fails with is an RstowError. Only a cancellation may be
 * something else: a recipe lets it pass, or asks `isCancelled`.
 */
export type Engine = {
  readonly database: string;
  /** Of this run: in Temporal its history is the record. */
  readonly runId: string;
  /** Unix ms. */
  readonly startedAtMs: number;
  readonly places: Places;

  /** Names the phase for whoever watches, and what it waits for. */
  phase(phase: string, waitsFor?: string): void;
  /** For the log: it failed, and the run goes on without it. */
  note(what: string, error: unknown): void;
  /** The run works at this place from now on. Fails: agent-version-unsupported. */
  placed(place: Place): void;
  /** From here on data are replaced: a denial comes too late. */
  commit(): void;

  /** Take seconds. What can pass is tried again for as long as a person has patience. */
  steps: Verbs;
  /** Copy or read gigabytes: tried for `transferGiveUpMs`, because they go on where they stopped. */
  transfers: Verbs;
  /** The same if somebody waits for the lock, or another repository holds the state: with a step's patience. */
  lockedTransfers: Verbs;
  /** Never end by themselves, and are tried again each second: only what another attempt can't mend ends them. */
  archives: Verbs;
  /** Compare data that are in place: as long as a transfer, and whatever they fail with is final. */
  comparisons: Verbs;
  /** Compensations: what an agent that is gone leaves undone, its own housekeeping clears. */
  cleanups: Verbs;
  /** Survey data in place, reading what is new in them; a host that is lost meanwhile is not waited for. */
  surveys: Verbs;
  /** Read what is in place for a report, beside what checks a backup: final, and a host that is lost is not waited for. */
  checks: Verbs;
  /** Start a server that is down, for as long as that takes; a host that is lost meanwhile is not waited for. */
  restarts: Verbs;
  /** Take the server down and end with it up. Whatever they fail with is final. */
  swaps: Verbs;
  /** The same backwards: what can't be asked yet is asked again. */
  swapsBack: Verbs;
  /** Ask, for some seconds, an installation that may be gone. */
  inspections(installationId: string): Activities;

  /**
   * Works once the check holds. Whoever can wait does so without the lock: for what the check misses, and again where
   * the work misses something on the way. Fails: as the check and the work do, when the time is over.
   */
  onceReady<T>(place: Place, check: () => Promise<unknown>, work: () => Promise<T>): Promise<T>;
  /** Works under the database's lock, unless a restore or a recovery needs it: then it ends early. Fails: busy. */
  exclusive<Result extends CommonResult>(place: Place, work: () => Promise<Result>): Promise<Result | CommonResult>;
  /** The same for what can't wait for a backup: one that holds the lock gives way, and a warning says so. Fails: busy. */
  exclusiveFirst<Result extends CommonResult>(place: Place, work: () => Promise<Result>): Promise<Result>;
  /** Works once an operator has signed a run that has no plan yet. Fails: approval-denied, approval-expired. */
  requested<T>(asked: Asked, work: () => Promise<T>): Promise<T>;
  /** Works once everybody has agreed to the plan whose agreement is wanted. Fails: approval-denied, approval-expired. */
  agreed<T>(planned: Planned, work: (wasAsked: boolean) => Promise<T>): Promise<T>;
  /** Takes the first backup of a history that has just begun, or leaves it to whoever can. */
  firstBackup(take: () => Promise<BackedUp>): Promise<BackedUp>;

  /** Comes to its end whoever cancels the run meanwhile. */
  uninterrupted<T>(work: () => Promise<T>): Promise<T>;
  /** What has to follow whether the work held, failed or was cancelled. Its own failure hides no outcome: it is noted. */
  compensate(what: string, work: () => Promise<unknown>): Promise<void>;

  /** Unix ms. */
  now(): number;
  /** At least 0, below 1. */
  chance(): number;
  sleep(waitMs: number): Promise<void>;

  /** Whether somebody has cancelled the run. */
  isCancelled(error: unknown): boolean;
  /** Whether nobody did the step in time. */
  isSilent(error: unknown): boolean;
};

/** Who is there. Each answers with one installation, to which every later step goes, so that two hosts never mix. */
export type Places = {
  /** Fails: agent-unreachable, unknown-database. */
  owner(database: string): Promise<Place>;
  /** The same, waited for by a run that can wait. */
  ownerInTime(database: string): Promise<Place>;
  /** Fails: agent-unreachable, unknown-database, invalid-input (two installations have the name). */
  agent(agent: string, database: string): Promise<Place>;
  /** One that reads the database's repository, the owner or not. Fails: agent-unreachable, unknown-database, repository-unavailable. */
  anywhere(database: string, repository: string | undefined): Promise<Place>;
  /** The owner and an agent that stands by, as far as they answer soon. */
  hosts(database: string): Promise<Hosts>;
  /** Asked once more: one that is there answers at once. */
  ownerIfStillThere(database: string): Promise<Place | undefined>;
};

export type Hosts = { owner: Place | undefined; standby: Place | undefined };

/** A run that needs agreement: where, and with which input, for that is what is signed. */
export type Asked = { place: Place; input: { database: string; requestedBy?: string | undefined } };

export type Planned = Asked & {
  plan: Agreeable;
  /** What comes of it, in words: `it discards …`. */
  consequence?: string | undefined;
};

/** What is agreed to is named by its hash; the policy comes from the config. */
type Agreeable = Pick<PlannedRestore, 'planHash' | 'approval'>;

export type BackedUp = { firstBackup?: FirstBackup | undefined; warnings: Warning[] };

/** Whether the policy wants another person's agreement to this type of run. */
export function isApprovalWanted({ approval }: Pick<PlannedRestore, 'approval'>, type: string): boolean {
  return approval?.for.includes(type) === true;
}
