import { CancellationScope, sleep } from '@temporalio/workflow';
import type { KnownDatabase, Place } from '../../activities/catalogue/locate.ts';
import { meantText } from '../../core/text/nearest-name.ts';
import { agentQueue, ANY_QUEUE, CONTRACT_NUMBER, databaseQueue, standbyQueue } from '../../contract/names.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { probe } from './activity-proxies.ts';
import { isSilent } from './failures.ts';
import type { Hosts } from '../engine.ts';

/** A question that nobody takes up ends by itself; whoever asks waits for a time of its own. */
const UNTAKEN_MS = 60_000;

/** The same, of a question that every agent takes up. */
const ANYONE_MS = 4_000;

/** So often some agent, which may be the same one, may say that it can't, before its reason is reported: in three seconds. */
const ANYONE_RETRY = { maximumAttempts: 20, initialInterval: 150 };

/** How long an agent may take to answer, until one of them says what its config has for that. */
const PROBE_MS = 4_000;

/** One that has just started may still be reading who owns what. */
const OWNER_MS = 10_000;

/** One that is there answers in moments; after this time it is worth asking whether the name is right. */
const SLOW_MS = 2_000;

/** Different agents list different databases: so many are asked at once. */
const ASKED_MAX = 3;

/** Of agents of several contracts one of this run's own takes the question up after a few tries. */
const OWN_CONTRACT_TRIES_MAX = 12;

/**
 * The database's owner, waited for some seconds, or longer where a run can. Fails: agent-unreachable, where it doesn't
 * answer; unknown-database, where no agent that answers lists it; agent-version-unsupported.
 */
export async function placeOfDatabase(database: string, { waitMs = 0 }: { waitMs?: number } = {}): Promise<Place> {
  const owner = await unlessLate(async () => {
    const asked = probe(databaseQueue(database), Math.max(UNTAKEN_MS, waitMs)).locateDatabase({ database });
    const soon = await within(SLOW_MS, asked);
    if (soon !== undefined) return soon;
    const { probeMs } = await known(database);
    return within(Math.max(waitMs, probeMs, OWNER_MS) - SLOW_MS, asked);
  });
  if (owner !== undefined) return ofThisContract(owner);
  throw unreachable(`the agent that owns database "${database}" does not answer: it is down, or none has claimed the database yet`);
}

/**
 * The agent of that name. Fails: agent-unreachable, unknown-database, agent-version-unsupported; invalid-input, where two
 * installations have it.
 */
export async function placeOfAgent(agent: string, database: string): Promise<Place> {
  // An agent answers one question at a time, so that two questions reach both.
  const ask = (): Promise<Place | undefined> => within(PROBE_MS, probe(agentQueue(agent), UNTAKEN_MS).locateAgent({ database }));
  const [found, other] = (await unlessLate(() => Promise.all([ask(), ask()])))?.filter((place) => place !== undefined) ?? [];
  if (found !== undefined && other !== undefined && other.installationId !== found.installationId) throw ambiguous(agent, [found, other]);
  if (found !== undefined) return ofThisContract(found);
  throw unreachable(`no agent is called "${agent}"; the name is misspelt, or the agent is down`);
}

/**
 * Any agent that can read the database's repository, the owner or not. Fails: agent-unreachable, unknown-database,
 * repository-unavailable, agent-version-unsupported.
 */
export async function placeAnywhere(database: string, repository: string | undefined): Promise<Place> {
  for (let tries = 1; ; tries += 1) {
    const place = await anyPlace(database, repository);
    if (place.contract === CONTRACT_NUMBER || tries === OWN_CONTRACT_TRIES_MAX) return ofThisContract(place);
  }
}

async function anyPlace(database: string, repository: string | undefined): Promise<Place> {
  const asked = probe(ANY_QUEUE, ANYONE_MS, ANYONE_RETRY).locateAnyAgent({ database, repository });
  try {
    const soon = await within(SLOW_MS, asked);
    // A name that no agent lists is said at once, not after all tries.
    return soon ?? (await Promise.race([asked, known(database).then(() => asked)]));
  } catch (error) {
    // Time may be over while agents answer, each that it can't: then the last one's reason is the answer.
    if (error instanceof RstowError && error.code === 'agent-unreachable') throw unreachable('no agent answers');
    if (!(error instanceof RstowError && error.code === 'unknown-database')) await known(database);
    throw error;
  }
}

/**
 * The owner and an agent that stands by, as far as they answer soon; asked side by side, for each second is downtime.
 * Fails: agent-version-unsupported.
 */
export async function hostsIfThere(database: string): Promise<Hosts> {
  const hosts: Hosts = { owner: undefined, standby: undefined };
  await unlessLate(async () => {
    const owner = probe(databaseQueue(database), UNTAKEN_MS).locateDatabase({ database });
    const standby = probe(standbyQueue(database), UNTAKEN_MS).locateStandby({ database });
    owner.catch(() => undefined);
    const startedAtMs = Date.now();
    hosts.standby = await within(PROBE_MS, standby);
    const probeMs = hosts.standby?.timing.probeMs ?? PROBE_MS;
    hosts.owner = await within(Math.max(0, startedAtMs + probeMs - Date.now()), owner);
    return undefined;
  });
  for (const place of [hosts.owner, hosts.standby]) if (place !== undefined) ofThisContract(place);
  return hosts;
}

/**
 * The owner, asked once more: one that is there answers at once. Undefined where it burnt, or its agent is down.
 * Fails: agent-version-unsupported.
 */
export async function ownerIfStillThere(database: string): Promise<Place | undefined> {
  const owner = await unlessLate(() => within(SLOW_MS, probe(databaseQueue(database), UNTAKEN_MS).locateDatabase({ database })));
  return owner === undefined ? undefined : ofThisContract(owner);
}

/** An agent of another contract may know other steps, or do them otherwise. Fails: agent-version-unsupported. */
function ofThisContract(place: Place): Place {
  const { agent, version, contract } = place;
  if (contract === CONTRACT_NUMBER) return place;
  const sentence = `agent "${agent}" runs rstow ${version}, contract ${contract}, and this run has contract ${CONTRACT_NUMBER}`;
  throw new RstowError('agent-version-unsupported', sentence, { details: { agent, version, contract } });
}

/** Ends, when the answer is there or too late, the probes that it doesn't wait for. */
async function unlessLate<T>(asking: () => Promise<T | undefined>): Promise<T | undefined> {
  const scope = new CancellationScope();
  try {
    return await scope.run(asking);
  } finally {
    scope.cancel();
  }
}

/** Undefined where there is no answer by then, or where nobody took the question up. */
async function within<T>(limitMs: number, asked: Promise<T>): Promise<T | undefined> {
  const timer = new CancellationScope();
  const late = timer.run(() => sleep(limitMs, { summary: 'wait for an agent to answer' })).then(() => undefined);
  asked.catch(() => undefined);
  late.catch(() => undefined);
  try {
    return await Promise.race([asked, late]);
  } catch (error) {
    if (isSilent(error)) return undefined;
    throw error;
  } finally {
    timer.cancel();
  }
}

/** What the agents that answer know of the name. Fails: unknown-database, naming the nearest. */
async function known(database: string): Promise<KnownDatabase> {
  const asked = Array.from({ length: ASKED_MAX }, () => within(PROBE_MS, probe(ANY_QUEUE, ANYONE_MS).knowDatabase({ database })));
  const answers = (await Promise.all(asked)).filter((answer) => answer !== undefined);
  const listing = answers.find(({ isListed }) => isListed) ?? (answers.length === 0 ? nobody : undefined);
  if (listing !== undefined) return listing;
  const names = [...new Set(answers.flatMap(({ databases }) => databases))];
  const meant = meantText(database, names) || `; the agents list: ${names.join(', ')}`;
  throw new RstowError('unknown-database', `no agent that answers lists database "${database}"${meant}`, { details: { database } });
}

const nobody: KnownDatabase = { isListed: false, databases: [], probeMs: PROBE_MS };

function ambiguous(agent: string, places: readonly Place[]): RstowError {
  const installations = places.map(({ installationId }) => installationId).sort();
  const sentence = `two agents are called "${agent}", installations ${installations.join(' and ')}: give one of them another agent.name`;
  return new RstowError('invalid-input', sentence, { details: { agent, installations } });
}

const unreachable = (sentence: string): RstowError => new RstowError('agent-unreachable', sentence);
