import { installationQueue } from '../../contract/names.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../database-settings.ts';

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

/** The agent that answers: polled by database it is the owner, polled by name it is that agent. Fails: unknown-database. */
export const locate =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<Place> => {
    databaseSettings(deps.config, database);
    return Promise.resolve(placeOf(deps));
  };

/**
 * Any agent that lists the database and reaches the repository: for what needs no host, also while the owner is down.
 * Fails: failed and repository-unavailable, both retried, for another agent may do better.
 */
export const locateAnywhere =
  (deps: ActivityDeps) =>
  async ({ database, repository }: { database: string; repository?: string }): Promise<Place> => {
    const settings = deps.config.databases[database];
    if (settings === undefined) throw new RstowError('failed', `agent "${deps.agent.name}" does not list database "${database}"`);
    await deps.openRepository(repositoryName(settings, repository));
    return placeOf(deps);
  };

function placeOf(deps: ActivityDeps): Place {
  const { heartbeatMs, retryInitialMs, retryMaxMs, transferGiveUpMs, stepGiveUpMs } = deps.config.timing;
  return {
    agent: deps.agent.name,
    installationId: deps.agent.installationId,
    queue: installationQueue(deps.agent.name, deps.agent.installationId),
    timing: { heartbeatMs, retryInitialMs, retryMaxMs, transferGiveUpMs, stepGiveUpMs },
    searchAttributes: deps.searchAttributes,
  };
}
