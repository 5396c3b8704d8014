/** The watches of an agent and its archive, by their own code, over a repository in memory: without a server and without Temporal. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { followLog } from '../../src/activities/archive/follow-log.ts';
import { createRunningBackups } from '../../src/activities/backup/running-backups.ts';
import { type AgentConfig, agentConfigSchema } from '../../src/config/agent-config.ts';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { createSeenBackups, createSeenOwners } from '../../src/io/agent-state/seen.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { claimOwnership } from '../../src/store/ownership.ts';
import { createStores } from '../../src/store/store.ts';
import { createTimeline } from '../../src/store/timelines.ts';
import { createCodings } from '../../src/worker/repositories.ts';
import type { AgentWorkers } from '../../src/worker/agent-workers.ts';
import type { Logger } from '../../src/worker/telemetry/agent-logger.ts';
import type { TemporalConnection } from '../../src/worker/temporal/connection.ts';
import type { AgentRunRegistry } from '../../src/worker/temporal/run-registry.ts';
import { alertsSection } from '../../src/config/alerts.ts';
import { startAlerts } from '../../src/worker/watch/alerts.ts';
import { startArchiveWatch } from '../../src/worker/watch/archives.ts';
import { startHousekeeping } from '../../src/worker/watch/housekeeping.ts';
import { startOwnershipWatch } from '../../src/worker/watch/ownership.ts';
import { startProtectionWatch } from '../../src/worker/watch/protection.ts';
import { goldenSegment } from '../fixtures/wal/golden.ts';
import { claimOf } from '../unit/activities/several-repositories.ts';
import { DATABASE, firstTimeline } from '../unit/activities/scene.ts';
import { openedAs } from './counted-repository.ts';
import { newRun } from './direct-backup.ts';

export type IdleAgent = {
  deps: ActivityDeps;
  walDir: string;
  /** Watches, and follows the log turn after turn, until the signal ends it. */
  start: (signal: AbortSignal) => Promise<void>;
};

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined } as unknown as Logger;

/** A database that this agent owns, whose log is one small segment. `archive`: of its config. */
export async function makeIdleAgent(folder: string, repository: Repository, archive: Record<string, unknown> = {}): Promise<IdleAgent> {
  const dataDir = join(folder, 'data');
  const walDir = join(dataDir, 'wal');
  await mkdir(walDir, { recursive: true });
  await writeFile(join(walDir, segmentFileName(makeSegmentId(1)!)), goldenSegment());
  const config = agentConfigSchema.parse({
    agent: { name: 'db1', stateDir: join(folder, 'agent') },
    repositories: { local: { kind: 'folder', path: folder } },
    databases: { [DATABASE]: { server: { address: '127.0.0.1:1' }, dataDir, repositories: ['local'], archive } },
  });
  const deps = depsOf(config, openedAs(repository));
  await deps.openStore(DATABASE);
  await createTimeline(repository, DATABASE, firstTimeline);
  await claimOwnership(repository, DATABASE, claimOf('one'));
  return { deps, walDir, start: (signal) => startAll(deps, signal) };
}

function depsOf(config: AgentConfig, openRepository: (name: string) => Promise<Repository>): ActivityDeps {
  const own = {
    config,
    agent: { name: 'db1', installationId: 'one' },
    requireInstallation: async () => Promise.resolve(),
    seenOwners: createSeenOwners(config.agent.stateDir),
    seenBackups: createSeenBackups(config.agent.stateDir),
  };
  const others = { configFile: '/dev/null', runningBackups: createRunningBackups(), events: { record: () => undefined } };
  return {
    ...own,
    ...createStores({ ...own, openRepository, codingOf: createCodings(config, openRepository) }),
    ...others,
  } as unknown as ActivityDeps;
}

async function startAll(deps: ActivityDeps, signal: AbortSignal): Promise<void> {
  const workers = { serveDatabase: async () => Promise.resolve() } as unknown as AgentWorkers;
  const temporal = { connection: { withDeadline: async () => Promise.resolve() }, namespace: 'default' } as unknown as TemporalConnection;
  const runs = { runState: async () => Promise.resolve('closed') } as unknown as AgentRunRegistry;
  const watched = { deps, logger: SILENT, signal };
  await startOwnershipWatch({ ...watched, workers }).firstPass;
  startArchiveWatch({ ...watched, temporal });
  startAlerts({ ...watched, host: deps, settings: alertsSection.parse({}), runs: () => undefined });
  startHousekeeping({ ...watched, config: deps.config, configFile: deps.configFile, runs });
  startProtectionWatch({ ...watched, changed: new Set() });
  void followForEver(deps, signal).catch(() => undefined);
}

/** As its workflow does. */
async function followForEver(deps: ActivityDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await followLog(deps)({ database: DATABASE }, { ...newRun(), signal });
}
