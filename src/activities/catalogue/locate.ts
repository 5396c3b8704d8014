import { setTimeout as sleep } from 'node:timers/promises';
import { CONTRACT_NUMBER, RSTOW_VERSION } from '../../contract/names.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { repositoryNamed } from '../../store/database-repositories.ts';
import { databaseSettings } from '../../config/agent-config.ts';

/** Where a run's steps go: one installation of one agent, so that two hosts never mix. */
export type Place = {
  /**
   * The execution that asked. It names whatever the run leaves here: a reset behind this answer goes on with that, one
   * before it begins anew.
   */
  runId: string;
  agent: string;
  /** Its slots' queues are polled by this installation alone. */
  installationId: string;
  /** Of the agent's rstow. */
  version: string;
  contract: number;
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
  probeMs: number;
  patienceMs: number;
  cleanupGiveUpMs: number;
};

/** What one agent knows of a database's name, and how long its config lets an agent take to answer. */
export type KnownDatabase = { isListed: boolean; databases: string[]; probeMs: number };

/** Whether this agent's config lists the database. It answers from memory. */
export const knowDatabase =
  ({ config }: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<KnownDatabase> =>
    Promise.resolve({
      isListed: Object.hasOwn(config.databases, database),
      databases: Object.keys(config.databases).slice(0, NAMES_MAX),
      probeMs: config.timing.probeMs,
    });

const NAMES_MAX = 200;

/** The agent that answers: the owner, or one that stands by. Fails: unknown-database. */
export const locate =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, { runId }: RunPort): Promise<Place> => {
    databaseSettings(deps.config, database);
    return Promise.resolve(placeOf(deps, runId));
  };

/** So long an agent takes to answer to its name: whoever asks twice at once meets the other installation of that name. */
const NAMED_MS = 300;

/** The agent of that name, one question at a time. Fails: unknown-database. */
export const locateAgent =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, { runId }: RunPort): Promise<Place> => {
    databaseSettings(deps.config, database);
    await sleep(NAMED_MS);
    return placeOf(deps, runId);
  };

/** A repository that is open already is not asked; one that isn't may answer so soon. */
const OPEN_MS = 2_000;

/** So often an agent that does not reach the primary leaves the question to another one. */
const NEAREST_ATTEMPTS = 4;

/**
 * Any agent that lists the database and reaches the repository: for what needs no host, also while the owner is down.
 * Fails: failed and repository-unavailable, both retried, for another agent may do better.
 */
export const locateAnyAgent =
  (deps: ActivityDeps) =>
  async (
    { database, repository }: { database: string; repository?: string | undefined },
    { runId, attempt = 1 }: RunPort,
  ): Promise<Place> => {
    const { agent, config } = deps;
    if (!Object.hasOwn(config.databases, database)) {
      throw new RstowError('failed', `agent "${agent.name}" does not list database "${database}"`);
    }
    const { repositories } = databaseSettings(config, database);
    // The nearest, as long as another agent may reach it.
    const isAnyGood = repository === undefined && attempt > NEAREST_ATTEMPTS;
    await openOneSoon(deps, database, isAnyGood ? repositories : [repositoryNamed(repositories, repository)]);
    return placeOf(deps, runId);
  };

/** Fails: as the first of them, if none opens. */
async function openOneSoon(deps: ActivityDeps, database: string, names: readonly string[]): Promise<void> {
  const opened = names.map((name) => openSoon(deps, database, name));
  await Promise.any(opened).catch(() => opened[0]);
}

/** Whoever waits here keeps a probe from others: a repository that hangs is told apart by not answering. */
async function openSoon(deps: ActivityDeps, database: string, name: string): Promise<void> {
  const waiting = new AbortController();
  const late = sleep(OPEN_MS, undefined, { signal: waiting.signal, ref: false }).then(() => {
    throw new RstowError('repository-unavailable', `agent "${deps.agent.name}" waits for repository "${name}" to answer`);
  });
  try {
    await Promise.race([deps.openStore(database, name), late]);
  } finally {
    waiting.abort();
    late.catch(() => undefined);
  }
}

function placeOf(deps: ActivityDeps, runId: string): Place {
  const { heartbeatMs, retryInitialMs, retryMaxMs, transferGiveUpMs, stepGiveUpMs, probeMs, patienceMs, cleanupGiveUpMs } =
    deps.config.timing;
  return {
    runId,
    agent: deps.agent.name,
    installationId: deps.agent.installationId,
    version: RSTOW_VERSION,
    contract: CONTRACT_NUMBER,
    timing: { heartbeatMs, retryInitialMs, retryMaxMs, transferGiveUpMs, stepGiveUpMs, probeMs, patienceMs, cleanupGiveUpMs },
    searchAttributes: deps.searchAttributes,
  };
}
