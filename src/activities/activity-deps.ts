import type { AgentConfig } from '../config/agent-config.ts';
import type { SeenBackups, SeenOwners } from '../io/agent-state/seen.ts';
import type { RunningBackups } from './backup/running-backups.ts';
import type { Stores } from '../store/store.ts';
import type { RunRegistry } from './run-port.ts';
import type { ArchiveRun, EndedBackup } from '../contract/describe-database.ts';
import type { ScheduledType } from '../contract/schedules.ts';
import type { ScheduledRuns } from '../core/alerts/missed-runs.ts';
import type { ScheduleFacts } from '../core/protection/verdict.ts';

/** Which agent this is: a rebuilt host has the same name and another installation. */
export type AgentIdentity = { name: string; installationId: string };

/** Everything that activities reach the world through; the agent composes it once. */
export type ActivityDeps = {
  config: AgentConfig;
  /** The absolute path that the config was read from: the watchdog of a restore reads it again. */
  configFile: string;
  agent: AgentIdentity;
  /** Whether this still is the machine and the state directory of `agent.installationId`. Fails: installation-cloned. */
  requireInstallation(): Promise<void>;
  temporal: { clusterId: string; namespace: string };
  runs: RunRegistry;
  backupWatch: BackupWatch;
  events: Events;
  /** For when a repository can't be read; @see findOwner. */
  seenOwners: SeenOwners;
  seenBackups: SeenBackups;
  runningBackups: RunningBackups;
  /** False where the namespace refused rstow's search attributes: workflows then upsert none. */
  searchAttributes: boolean;
  openStore: Stores['openStore'];
  catalogueOf: Stores['catalogueOf'];
};

/** What Temporal knows of how a database is backed up; the agent gives it a client. Fails: temporal-unreachable. */
export type BackupWatch = {
  /** Undefined where nothing starts backups of it under the id that rstow gives. @see backupScheduleId */
  schedule(database: string): Promise<ScheduleFacts | undefined>;
  /** Of those types the ones that are scheduled, by whomever. */
  scheduled(database: string, types: readonly ScheduledType[]): Promise<ScheduledRuns[]>;
  lastEnded(database: string): Promise<EndedBackup | undefined>;
  /** Of each type but backups that protects or recovers it the run that ended last, if that failed. */
  failed(database: string): Promise<FailedRun[]>;
  /** Undefined if no archive of it is open. */
  archive(database: string): Promise<ArchiveRun | undefined>;
};

export type FailedRun = { type: string; workflowId: string; failure: { code: string; sentence: string } };

/** What happened, in one word: whoever subscribes decides by it. */
export type EventKind =
  | 'ownership-changed'
  | 'server-stale'
  | 'server-compacts'
  | 'log-pinned'
  | 'log-linked-back'
  | 'log-taken-out'
  | 'log-deleted-at-end'
  | 'restart-missed'
  | 'restart-checked'
  | 'restart-unsafe'
  | 'restart-uncounted'
  | 'guard-hands-off'
  | 'guard-unsupported'
  | 'guard-over-budget'
  | 'guard-pins-cleared'
  | 'repositories-apart'
  | 'repository-notice'
  | 'repository-rolled-back'
  | 'repository-unread'
  | 'protection-read'
  | 'backup-stored'
  | 'backup-copied'
  | 'backup-ended'
  | 'backup-verified'
  | 'recovery-tested'
  | 'archive-looked'
  | 'archive-stalled'
  | 'archive-hole'
  | 'archive-locked'
  | 'crash-fork'
  | 'snapshot-removed'
  | 'keys-rotated'
  | 'backups-expired';

/** One fact about a database or a repository. `sentence` is for people; everything else can be counted and asked for. */
export type EventFact = {
  kind: EventKind;
  sentence: string;
  database?: string | undefined;
  repository?: string | undefined;
  /** Of the table of errors, if it is a fault. */
  code?: string | undefined;
  [more: string]: unknown;
};

/** The one door from verbs and watchers to the log, and to whatever counts or alerts. Never fails, never waits. */
export type Events = { record(fact: EventFact): void };
