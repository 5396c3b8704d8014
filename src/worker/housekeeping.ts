import { join } from 'node:path';
import type { AgentConfig, DatabaseConfig } from '../config/agent-config.ts';
import type { RunningBackups } from '../activities/backup/running-backups.ts';
import { serviceLogFile } from '../io/service/process-service.ts';
import { boundLog } from '../io/service/service-log.ts';
import type { Logger } from './agent-logger.ts';
import { clearGrants } from '../io/agent-state/grants.ts';
import { clearPins, clearRestores, clearRunNotes, clearScratch, forgetEndedRuns, type RunStates, runStates } from './leftovers.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';
import type { AgentRunRegistry } from './run-registry.ts';

const INTERVAL_MS = 60_000;
/** Longer than any run waits for an approval. */
const GRANTS_KEPT_MS = 400 * 86_400_000;

export type Housekeeping = {
  config: AgentConfig;
  runningBackups: RunningBackups;
  runs: AgentRunRegistry;
  logger: Logger;
  signal: AbortSignal;
};

type Chore = { what: string; run: () => Promise<void> };

/**
 * Clears what runs left that were killed before they could, and bounds logs: a chore that fails or hangs keeps no other from
 * being done.
 */
export function startHousekeeping({ config, runningBackups, runs: registry, logger, signal }: Housekeeping): RepeatingTask {
  const runs = runStates(config, registry);
  const chores: Chore[] = [
    { what: 'clearing old grants', run: () => clearGrants(config.agent.stateDir, new Date(Date.now() - GRANTS_KEPT_MS)) },
    { what: 'forgetting backups that have ended', run: () => forgetEndedRuns(runningBackups, runs) },
    { what: 'clearing the notes of ended runs', run: () => clearRunNotes(config, runningBackups, runs) },
    { what: 'clearing scratch folders', run: () => clearScratch(config, runs) },
    ...Object.values(config.databases).flatMap((settings) => choresOf(settings, runs)),
    ...logFiles(config).map((file) => ({ what: `bounding ${file}`, run: () => boundLog(file) })),
  ];
  return startTaskForEach(chores, ({ run }) => run(), { what: ({ what }) => what, intervalMs: INTERVAL_MS, logger, signal });
}

function choresOf(settings: DatabaseConfig, runs: RunStates): Chore[] {
  const { dataDir } = settings;
  const passedMs = createStopwatch();
  return [
    { what: `clearing pins in ${dataDir}`, run: () => clearPins(dataDir, runs) },
    { what: `clearing restores in ${dataDir}`, run: () => clearRestores(settings, runs, passedMs()) },
  ];
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
function logFiles({ agent, databases }: AgentConfig): string[] {
  const services = Object.values(databases).map(({ service }) => service);
  const stateDirs = services.flatMap((service) => (service.kind === 'process' ? [service.stateDir] : []));
  return [...stateDirs, join(agent.stateDir, 'temporal')].map(serviceLogFile);
}
