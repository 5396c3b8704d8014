import type { ActivityDeps, AgentIdentity, EventFact, EventKind, Events } from '../activities/activity-deps.ts';
import { createRunningBackups } from '../activities/backup/running-backups.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { requireInstallation } from '../io/agent-state/installation.ts';
import { createSeenBackups, createSeenOwners } from '../io/agent-state/seen.ts';
import { createStores } from '../store/store.ts';
import type { Logger } from './telemetry/agent-logger.ts';
import { createBackupWatch } from './temporal/backup-watch.ts';
import { createCodings, createRepositoryOpener } from './repositories.ts';
import type { AgentRunRegistry } from './temporal/run-registry.ts';
import { ensureSearchAttributes } from './watch/cluster.ts';
import type { TemporalConnection } from './temporal/connection.ts';

/** What works without Temporal as well. */
export type HostDeps = Omit<ActivityDeps, 'temporal' | 'runs' | 'runningBackups' | 'searchAttributes' | 'backupWatch'>;

type HostParts = { config: AgentConfig; configFile: string; identity: AgentIdentity; events: Events };

/** What an agent works with as long as it lives. */
export function hostDeps({ config, configFile, identity, events }: HostParts): HostDeps {
  const { stateDir } = config.agent;
  const notice = (facts: { repository: string; key?: string | undefined }, sentence: string): void =>
    events.record({ kind: 'repository-notice', ...facts, sentence });
  const own = {
    config,
    agent: identity,
    requireInstallation: () => requireInstallation(stateDir, identity.installationId),
    seenOwners: createSeenOwners(stateDir),
    seenBackups: createSeenBackups(stateDir),
  };
  const openRepository = createRepositoryOpener(config, notice);
  return { ...own, ...createStores({ ...own, openRepository, codingOf: createCodings(config, openRepository) }), configFile, events };
}

type AgentParts = { host: HostDeps; temporal: TemporalConnection; runs: AgentRunRegistry; logger: Logger };

/** What an agent's activities work with, on one connection to Temporal. */
export async function agentDeps({ host, temporal, runs, logger }: AgentParts): Promise<ActivityDeps> {
  const searchAttributes = await ensureSearchAttributes(temporal, logger);
  return {
    ...host,
    temporal: { clusterId: temporal.clusterId, namespace: temporal.namespace },
    runs,
    runningBackups: createRunningBackups(),
    searchAttributes,
    backupWatch: createBackupWatch(temporal, searchAttributes),
  };
}

type Level = 'debug' | 'info' | 'warn' | 'error';

const LEVELS: Readonly<Record<EventKind, Level>> = {
  'ownership-changed': 'info',
  'server-stale': 'error',
  'server-compacts': 'warn',
  'log-pinned': 'debug',
  'log-linked-back': 'info',
  'log-taken-out': 'error',
  'log-deleted-at-end': 'error',
  'restart-missed': 'error',
  'restart-checked': 'debug',
  'restart-unsafe': 'error',
  'restart-uncounted': 'warn',
  'guard-hands-off': 'error',
  'guard-unsupported': 'warn',
  'guard-over-budget': 'warn',
  'guard-pins-cleared': 'info',
  'repositories-apart': 'error',
  'repository-notice': 'warn',
  'repository-rolled-back': 'error',
  'repository-unread': 'debug',
  'protection-read': 'debug',
  'backup-stored': 'debug',
  'backup-copied': 'debug',
  'backup-ended': 'debug',
  'backup-verified': 'debug',
  'recovery-tested': 'debug',
  'archive-looked': 'debug',
  'archive-stalled': 'error',
  'archive-hole': 'error',
  'archive-locked': 'warn',
  'crash-fork': 'error',
  'snapshot-removed': 'info',
  'keys-rotated': 'info',
  'backups-expired': 'info',
};

const REPOSITORY_CHANGES: readonly EventKind[] = ['backup-stored', 'backup-copied', 'backup-verified', 'recovery-tested', 'archive-hole'];

/** Whether a repository says something else of how a database is protected since then. */
export function changesProtection({ kind }: EventFact): boolean {
  return REPOSITORY_CHANGES.includes(kind);
}

/** Writes each fact into the log, at the level of its kind, and gives it to the subscribers. */
export function createEvents(logger: Pick<Logger, Level>, subscribers: readonly ((fact: EventFact) => void)[] = []): Events {
  return {
    record: (fact) => {
      const { sentence, ...facts } = fact;
      logger[LEVELS[fact.kind]](facts, sentence);
      for (const subscriber of subscribers) subscriber(fact);
    },
  };
}
