import { resolve } from 'node:path';
import type { ActivityDeps, BackupWatch } from '../activities/activity-deps.ts';
import { createRunningBackups } from '../activities/backup/running-backups.ts';
import type { RunRegistry } from '../activities/run-port.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { requireInstallation } from '../io/agent-state/installation.ts';
import { createSeenBackups, createSeenOwners } from '../io/agent-state/seen.ts';
import { agentIdentity } from '../worker/agent-identity.ts';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import { loadConfig } from '../worker/load-config.ts';
import { createStores } from '../store/store.ts';
import { createCodings, createRepositoryOpener } from '../worker/repositories.ts';

/** What an agent of this config would work with, but for Temporal. Fails: invalid-config, agent-state-unsupported, installation-cloned. */
export async function localDeps(configFile: string = DEFAULT_CONFIG_FILE): Promise<ActivityDeps> {
  const config = await loadConfig(configFile);
  const agent = await agentIdentity(config);
  const own = {
    config,
    agent,
    requireInstallation: () => requireInstallation(config.agent.stateDir, agent.installationId),
    seenOwners: createSeenOwners(config.agent.stateDir),
    seenBackups: createSeenBackups(config.agent.stateDir),
  };
  const openRepository = createRepositoryOpener(config);
  return {
    ...own,
    ...createStores({ ...own, openRepository, codingOf: createCodings(config, openRepository) }),
    configFile: resolve(configFile),
    temporal: { clusterId: '', namespace: '' },
    events: { record: () => undefined },
    runs: noRuns,
    backupWatch: noBackupWatch,
    runningBackups: createRunningBackups(),
    searchAttributes: false,
  };
}

const unasked = async (): Promise<never> => Promise.reject(new RstowError('temporal-unreachable', 'this command asks no Temporal'));

const noRuns: RunRegistry = { checkOpen: unasked, isOpen: unasked, chainOf: unasked, lockHolder: unasked, terminate: unasked };

const noBackupWatch: BackupWatch = { schedule: unasked, scheduled: unasked, lastEnded: unasked, failed: unasked, archive: unasked };
