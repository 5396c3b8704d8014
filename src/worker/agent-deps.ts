import type { ActivityDeps, AgentIdentity, EventFact, EventKind, Events } from '../activities/activity-deps.ts';
import { createRunningBackups } from '../activities/backup/running-backups.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { requireInstallation } from '../io/agent-state/installation.ts';
import { createSeenOwners } from '../io/agent-state/seen-owners.ts';
import { createStores } from '../store/store.ts';
import type { Logger } from './telemetry/agent-logger.ts';
import { createBackupWatch } from './temporal/backup-watch.ts';
import { createRepositoryOpener } from './repositories.ts';
import type { AgentRunRegistry } from './temporal/run-registry.ts';
import { ensureSearchAttributes } from './watch/cluster.ts';
import type { TemporalConnection } from './temporal/connection.ts';

type AgentParts = {
  config: AgentConfig;
  configFile: string;
  identity: AgentIdentity;
  temporal: TemporalConnection;
  runs: AgentRunRegistry;
  logger: Logger;
};

/** What an agent's activities work with. */
export async function agentDeps({ config, configFile, identity, temporal, runs, logger }: AgentParts): Promise<ActivityDeps> {
  const { stateDir } = config.agent;
  const searchAttributes = await ensureSearchAttributes(temporal, logger);
  const events = createEvents(logger);
  const notice = (facts: { repository: string; key?: string | undefined }, sentence: string): void =>
    events.record({ kind: 'repository-notice', ...facts, sentence });
  const own = {
    config,
    agent: identity,
    requireInstallation: () => requireInstallation(stateDir, identity.installationId),
    seenOwners: createSeenOwners(stateDir),
  };
  return {
    ...own,
    ...createStores({ ...own, openRepository: createRepositoryOpener(config, notice) }),
    configFile,
    events,
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
  'repositories-apart': 'error',
  'repository-notice': 'warn',
  'backup-verified': 'debug',
  'recovery-tested': 'debug',
};

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
