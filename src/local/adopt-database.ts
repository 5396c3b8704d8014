import type { ActivityDeps } from '../activities/activity-deps.ts';
import { checkDataDirectoryIsServers } from '../database/data-directory-check.ts';
import { timelineOfData } from '../activities/backup/source-continuity.ts';
import type { Store } from '../store/store.ts';
import { openDatabase } from '../database/database.ts';
import type { Owner } from '../formats/repository/history.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { lineageOf } from '../core/backup/history.ts';
import { connectTemporalNow, type TemporalConnection } from '../worker/temporal/connection.ts';
import { isInstallationPolling } from '../worker/watch/installation.ts';
import { localDeps } from './local-deps.ts';
import { renewInstallation, whyCloned } from '../io/agent-state/installation.ts';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import { loadConfig } from '../worker/load-config.ts';

export type AdoptOptions = {
  configFile: string | undefined;
  database: string;
  /** Although the present owner's agent answers, or goes on with another history. */
  force: boolean;
};

export type Adoption = { outcome: 'done' | 'not-needed'; database: string; previous: Owner; owner: Owner };

/**
 * Makes this installation, at the Temporal of its config, the owner of the database whose server runs here: for a
 * Temporal that was lost, or an agent's state that was. Whoever owned it before is fenced.
 * Fails: temporal-unreachable, repository-unavailable, owner-outdated, timeline-diverged, data-directory-foreign,
 * data-directory-missing, server-unreachable, server-refused, invalid-input (nobody owns it). Twice: not-needed.
 */
export async function adoptDatabase({ configFile, database, force }: AdoptOptions): Promise<Adoption> {
  const deps = await localDeps(configFile);
  const temporal = await connectTemporalNow(deps.config.temporal);
  try {
    // What the directory continues is asked of the primary.
    const store = await deps.openStore(database);
    const { owner: previous } = await store.owner.find();
    if (previous === undefined) throw unowned(database);
    const claim = { agent: deps.agent, temporal: { clusterId: temporal.clusterId, namespace: temporal.namespace } };
    if (isSame(previous, claim)) return { outcome: 'not-needed', database, previous, owner: previous };
    const timeline = await provenTimeline({ deps, store, previous: force ? undefined : previous });
    if (!force) await requireSilent(previous, deps, temporal);
    const owner = ownerOf(claim, { generation: previous.generation + 1, timeline });
    await store.owner.claim(owner);
    return { outcome: 'done', database, previous, owner };
  } finally {
    await temporal.connection.close();
  }
}

type Claim = Pick<ActivityDeps, 'agent' | 'temporal'>;

function isSame({ installationId, temporal }: Owner, claim: Claim): boolean {
  const { clusterId, namespace } = claim.temporal;
  return installationId === claim.agent.installationId && temporal.clusterId === clusterId && temporal.namespace === namespace;
}

function ownerOf({ agent, temporal }: Claim, { generation, timeline }: { generation: number; timeline: string }): Owner {
  const { name, installationId } = agent;
  return { format: 1, generation, agent: name, installationId, temporal, timeline, claimedAtMs: Date.now() };
}

type Place = {
  deps: ActivityDeps;
  store: Store;
  /** Undefined: whatever history it went on with. */ previous: Owner | undefined;
};

/** The directory is the running server's own, and continues what is stored. */
async function provenTimeline({ deps, store, previous }: Place): Promise<string> {
  const opened = openDatabase(deps, store.database);
  const { server, walDir } = opened;
  await server.ask((client) => checkDataDirectoryIsServers(server, client));
  const timeline = await timelineOfData(store, opened);
  if (previous !== undefined) await requireHistoryInUse(store, previous, { timeline, walDir });
  return timeline;
}

type Data = { timeline: string; walDir: string };

/** A host that comes back after its database was recovered elsewhere holds a history that has ended. Fails: timeline-diverged. */
async function requireHistoryInUse({ database, timelines }: Store, previous: Owner, { timeline, walDir }: Data): Promise<void> {
  const lineage = lineageOf(await timelines.all(), timeline) ?? [];
  if (lineage.some((ancestor) => ancestor.timeline === previous.timeline)) return;
  const sentence = `${walDir} holds timeline ${timeline}, and database "${database}" goes on with timeline ${previous.timeline}`;
  throw new RstowError('timeline-diverged', `${sentence}; --force takes the database over anyway`, {
    details: { timeline, inUse: previous.timeline },
  });
}

/** Fails: owner-outdated, where another installation is at work. */
async function requireSilent(owner: Owner, { agent }: ActivityDeps, temporal: TemporalConnection): Promise<void> {
  if (owner.installationId === agent.installationId || !(await isInstallationPolling(temporal, owner))) return;
  const who = `agent "${owner.agent}" (installation ${owner.installationId}, generation ${owner.generation})`;
  throw new RstowError('owner-outdated', `${who} owns the database and was seen in the last minute; stop it, or take over with --force`, {
    details: { installationId: owner.installationId },
  });
}

function unowned(database: string): RstowError {
  return new RstowError('invalid-input', `nobody owns database "${database}" yet; start its host’s agent, which claims it`);
}

export type Renewal = { previous: string | null; installationId: string; stateDir: string };

/**
 * Makes this host's state directory one of a new installation: it owns no database until it adopts one. An agent that
 * runs on it ends. An original would lose its databases by it, so it takes `isForced` to renew what is no copy.
 * Fails: invalid-config, invalid-input, agent-state-unsupported. Twice: refused, or with `isForced` yet another installation.
 */
export async function renewHost(configFile: string = DEFAULT_CONFIG_FILE, isForced = false): Promise<Renewal> {
  const { stateDir } = (await loadConfig(configFile)).agent;
  if (!isForced && (await whyCloned(stateDir)) === undefined) {
    const lost = 'a new installation would own no database, and an agent that runs on it would end';
    throw new RstowError('invalid-input', `${stateDir} is where it was made, so nothing is to be renewed: ${lost} (--force renews it)`);
  }
  return { ...(await renewInstallation(stateDir)), stateDir };
}
