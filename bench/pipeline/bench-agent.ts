import { createRunningBackups } from '../../src/activities/backup/running-backups.ts';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import type { RunPort } from '../../src/activities/run-port.ts';
import { agentConfigSchema } from '../../src/config/agent-config.ts';
import { createSeenBackups, createSeenOwners } from '../../src/io/agent-state/seen.ts';
import { createStores } from '../../src/store/store.ts';
import { createCodings, createRepositoryOpener } from '../../src/worker/repositories.ts';

export const DATABASE = 'orders';
export const REPOSITORY = 'local';

type BenchPlaces = {
  dataDir: string;
  repositoryDir: string;
  stateDir: string;
  /** Of the repository; none if absent. */ encryption?: object | undefined;
};

export function benchConfig({ dataDir, repositoryDir, stateDir, encryption }: BenchPlaces): object {
  return {
    agent: { name: 'bench', stateDir },
    repositories: { [REPOSITORY]: { kind: 'folder', path: repositoryDir, encryption } },
    databases: {
      // A rehearsal would measure a server's start.
      [DATABASE]: { server: { address: '127.0.0.1:1' }, dataDir, repositories: [REPOSITORY], rehearsal: { policy: 'off' } },
    },
  };
}

/** An agent's activities without an agent: nobody asks Temporal anything, and no server runs. */
export function benchDeps(folder: BenchPlaces): ActivityDeps {
  const config = agentConfigSchema.parse(benchConfig(folder));
  const own = {
    config,
    agent: { name: 'bench', installationId: 'bench' },
    requireInstallation: async () => undefined,
    seenOwners: createSeenOwners(folder.stateDir),
    seenBackups: createSeenBackups(folder.stateDir),
  };
  const openRepository = createRepositoryOpener(config);
  return {
    ...own,
    ...createStores({ ...own, openRepository, codingOf: createCodings(config, openRepository) }),
    configFile: join(folder.stateDir, 'rstow.yaml'),
    temporal: { clusterId: 'none', namespace: 'none' },
    runs: {
      checkOpen: async () => undefined,
      isOpen: async () => true,
      chainOf: async (workflowId, runId) => ({ workflowId, firstRunId: runId, workflowType: 'hotBackup' }),
      lockHolder: async () => undefined,
      terminate: async () => undefined,
    },
    events: { record: () => undefined },
    backupWatch: {
      schedule: async () => undefined,
      scheduled: async () => [],
      lastEnded: async () => undefined,
      failed: async () => [],
      archive: async () => undefined,
    },
    runningBackups: createRunningBackups(),
    searchAttributes: false,
  };
}

/** What an agent does before its first backup. Gives the timeline. */
export async function claimDatabase(deps: ActivityDeps): Promise<string> {
  const { timelines, claims } = await deps.openStore(DATABASE, REPOSITORY);
  const claimedAtMs = Date.now();
  const first = { generation: 1, parent: null, why: 'first' as const, runId: 'bench', createdAtMs: claimedAtMs };
  const { timeline } = await timelines.create(first);
  const { name: agent, installationId } = deps.agent;
  await claims.put({
    format: 1,
    generation: 1,
    agent,
    installationId,
    temporal: deps.temporal,
    timeline,
    claimedAtMs,
  });
  return timeline;
}

export function benchRun(): RunPort {
  const runId = randomUUID();
  const { signal } = new AbortController();
  return {
    workflowId: `bench/${runId}`,
    runId,
    signal,
    report: () => undefined,
    checkOpen: async () => undefined,
    chain: async () => undefined,
  };
}
