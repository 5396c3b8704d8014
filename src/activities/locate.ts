import { installationQueue } from '../contract/names.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { databaseSettings } from './database-settings.ts';

/** Where a run's steps go: one installation of one agent, so that two hosts never mix. */
export type Place = {
  agent: string;
  installationId: string;
  /** Polled by this installation alone. */
  queue: string;
  timing: StepTiming;
  /** Whether the namespace has rstow's search attributes. */
  searchAttributes: boolean;
};

/** The agent's timing as workflows need it: short in tests. */
export type StepTiming = {
  heartbeatMs: number;
  retryInitialMs: number;
  retryMaxMs: number;
  transferGiveUpMs: number;
  stepGiveUpMs: number;
};

/** The agent that answers: polled by database it is the owner, polled by name it is that agent. */
export const locate =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<Place> => {
    databaseSettings(deps.config, database);
    const { heartbeatMs, retryInitialMs, retryMaxMs, transferGiveUpMs, stepGiveUpMs } = deps.config.timing;
    return Promise.resolve({
      ...deps.agent,
      agent: deps.agent.name,
      queue: installationQueue(deps.agent.name, deps.agent.installationId),
      timing: { heartbeatMs, retryInitialMs, retryMaxMs, transferGiveUpMs, stepGiveUpMs },
      searchAttributes: deps.searchAttributes,
    });
  };
