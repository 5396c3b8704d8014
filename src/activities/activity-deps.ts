import type { AgentConfig } from '../config/agent-config.ts';
import type { SeenOwners } from '../io/agent-state/seen-owners.ts';
import type { RunningBackups } from './backup/running-backups.ts';
import type { Stores } from '../store/store.ts';
import type { RunRegistry } from './run-port.ts';
import type { EndedBackup } from '../contract/describe-database.ts';
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
  lastEnded(database: string): Promise<EndedBackup | undefined>;
};

/** What happened, in one word: whoever subscribes decides by it. */
export type EventKind =
  | 'ownership-changed'
  | 'server-stale'
  | 'server-compacts'
  | 'repositories-apart'
  | 'repository-notice'
  | 'backup-verified'
  | 'recovery-tested';

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
