import { join } from 'node:path';
import type { AgentConfig } from '../../config/agent-config.ts';
import { type Database, type HostConfig, openDatabase } from '../../database/database.ts';
import type { ActivityDeps, Events } from '../../activities/activity-deps.ts';
import { serviceLogFile } from '../../io/service/process-service.ts';
import { boundLog } from '../../io/service/process-files.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { clearGrants } from '../../io/agent-state/run-files.ts';
import {
  clearExports,
  clearPins,
  clearRepositories,
  clearRestores,
  clearRunNotes,
  clearScratch,
  clearSnapshots,
  clearVolumes,
  forgetEndedRuns,
  refreshCatalogues,
  type RunStates,
  runStates,
} from './leftovers.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';
import type { AgentRunRegistry } from '../temporal/run-registry.ts';
import { finishStopNote } from '../../database/finish-stop-note.ts';

const INTERVAL_MS = 60_000;
const REPOSITORY_INTERVAL_MS = 1_800_000;
/** Longer than any run waits for an approval. */
const GRANTS_KEPT_MS = 400 * 86_400_000;

type Housekeeping = {
  config: AgentConfig;
  configFile: string;
  deps: Pick<ActivityDeps, 'agent' | 'catalogueOf' | 'runningBackups' | 'events'>;
  runs: AgentRunRegistry;
  logger: Logger;
  signal: AbortSignal;
};

type Chore = { what: string; run: () => Promise<void> };

/**
 * Clears what runs left that were killed before they could, and bounds logs: a chore that fails or hangs keeps no other from
 * being done.
 */
export function startHousekeeping({ config, configFile, deps, runs: registry, logger, signal }: Housekeeping): RepeatingTask {
  const { runningBackups } = deps;
  const runs = runStates(config, registry);
  const databases = Object.keys(config.databases).map((name) => openDatabase({ config, configFile }, name));
  const chores: Chore[] = [
    { what: 'clearing old grants', run: () => clearGrants(config.agent.stateDir, new Date(Date.now() - GRANTS_KEPT_MS)) },
    { what: 'forgetting backups that have ended', run: () => forgetEndedRuns(runningBackups, runs) },
    { what: 'clearing the notes of ended runs', run: () => clearRunNotes(config, runningBackups, runs) },
    { what: 'clearing scratch folders', run: () => clearScratch({ config, configFile }, runs) },
    { what: 'dropping datasets that were received in vain', run: () => clearVolumes(config, deps.agent.installationId, runs) },
    { what: 'removing what exports have not finished', run: () => clearExports(config, runs) },
    ...databases.flatMap((database) => choresOf(database, runs, deps.events)),
    ...databases.map(({ name }) => ({
      what: `clearing what runs left in the repositories of ${name}`,
      run: halfHourly(() => clearRepositories({ deps, runs }, name)),
    })),
    ...databases.map(({ name }) => ({
      what: `keeping the catalogues of ${name}`,
      run: halfHourly(() => refreshCatalogues({ deps }, name)),
    })),
    ...logFiles(config, databases).map((file) => ({ what: `bounding ${file}`, run: () => boundLog(file) })),
  ];
  return startTaskForEach(chores, ({ run }) => run(), { what: ({ what }) => what, intervalMs: INTERVAL_MS, logger, signal });
}

function choresOf(database: Database, runs: RunStates, events: Events): Chore[] {
  const { dataDir } = database;
  const passedMs = createStopwatch();
  return [
    { what: `clearing pins in ${dataDir}`, run: () => clearPins(dataDir, runs) },
    { what: `removing snapshots of ${database.name}`, run: () => clearSnapshots(database, runs, events) },
    { what: `clearing restores in ${dataDir}`, run: () => clearRestores(database, runs, passedMs()) },
  ];
}

/** What is cleared has lain there for longer, and a list may read a few manifests. */
function halfHourly(chore: () => Promise<void>): () => Promise<void> {
  let doneAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - doneAtMs < REPOSITORY_INTERVAL_MS) return;
    await chore();
    doneAtMs = performance.now();
  };
}

/** Gives the milliseconds since it was asked last, whatever the clock says. */
function createStopwatch(): () => number {
  let lastMs = performance.now();
  return () => {
    const sinceMs = lastMs;
    lastMs = performance.now();
    return lastMs - sinceMs;
  };
}

/** Of the programs that this agent starts: their output has nobody else who would turn it over. */
function logFiles({ agent }: AgentConfig, databases: readonly Database[]): string[] {
  const files = databases.map(({ server }) => server.service.logFile).filter((file) => file !== undefined);
  return [...files, serviceLogFile(join(agent.stateDir, 'temporal'))];
}

/**
 * Finishes, without Temporal, the stop notes of runs that are gone, so that a database comes up though nobody else does. Each
 * database by itself: one whose server can't start keeps no other waiting.
 */
export function startStopNoteWatch(host: HostConfig, options: { logger: Logger; signal: AbortSignal }): RepeatingTask {
  const { logger } = options;
  const pass = async (database: string): Promise<void> => {
    const finish = await finishStopNote(openDatabase(host, database));
    if (typeof finish !== 'object') return;
    if (finish.inPlace !== 'unknown') {
      logger.warn({ database, inPlace: finish.inPlace }, 'finished the stop note of a run that is gone');
      return;
    }
    const { noteKeptAt, why } = finish;
    logger.warn(
      { database, code: 'format-unsupported', noteKeptAt },
      `${why}; the server was started on the wal/ in place, and the note is kept`,
    );
  };
  const what = (database: string): string => `finishing the stop note of ${database}`;
  return startTaskForEach(Object.keys(host.config.databases), pass, { what, intervalMs: INTERVAL_MS, ...options });
}
