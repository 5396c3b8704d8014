import { join } from 'node:path';
import type { AgentConfig } from '../config/agent-config.ts';
import { serviceLogFile } from '../io/service/process-service.ts';
import { boundLog } from '../io/service/service-log.ts';
import type { Logger } from './agent-logger.ts';
import { clearPins, clearRestores, clearScratch } from './leftovers.ts';
import { type RepeatingTask, startRepeatingTask } from './repeating-task.ts';
import type { AgentRunRegistry } from './run-registry.ts';

const INTERVAL_MS = 60_000;

export type Housekeeping = { config: AgentConfig; runs: AgentRunRegistry; logger: Logger; signal: AbortSignal };

/** Clears what runs left that were killed before they could, and bounds logs: one that fails doesn't keep the others from it. */
export function startHousekeeping({ config, runs, logger, signal }: Housekeeping): RepeatingTask {
  const chores = [
    { what: 'clearing scratch folders', chore: () => clearScratch(config, runs) },
    ...Object.values(config.databases).flatMap((settings) => [
      { what: `clearing pins in ${settings.dataDir}`, chore: () => clearPins(settings.dataDir, runs) },
      { what: `clearing restores in ${settings.dataDir}`, chore: () => clearRestores(settings, runs) },
    ]),
    ...logFiles(config).map((file) => ({ what: `bounding ${file}`, chore: () => boundLog(file) })),
  ];
  const pass = async (): Promise<void> => {
    for (const { what, chore } of chores) {
      if (signal.aborted) return;
      await chore().catch((error: unknown) => logger.warn({ err: error }, `${what} failed, and will be tried again`));
    }
  };
  return startRepeatingTask(pass, { what: 'housekeeping', intervalMs: INTERVAL_MS, logger, signal });
}

/** Of the programs that this agent starts: their output has nobody else who would turn it over. */
function logFiles({ agent, databases }: AgentConfig): string[] {
  const services = Object.values(databases).map(({ service }) => service);
  const stateDirs = services.flatMap((service) => (service.kind === 'process' ? [service.stateDir] : []));
  return [...stateDirs, join(agent.stateDir, 'temporal')].map(serviceLogFile);
}
