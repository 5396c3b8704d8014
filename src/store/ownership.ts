import type { Warning } from '../contract/result.ts';
import { type Owner, ownerSchema } from '../formats/repository/history.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { ownerKey, ownerPrefix, timelinesPrefix } from '../core/repository/object-keys.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import { remembered } from '../io/repository/wrap/recall.ts';
import { type Answers, inEachRepository, repositoriesOf, requireOneAnswer, type StoreDeps } from './database-repositories.ts';

/** Several questions of one look get one answer. */
const MOMENT_MS = 5_000;

/** So many polls of the owner are answered by one request where those cost. */
const POLLS_KEPT = 5;
const POLL_MS = 60_000;

export type FoundOwner = { /** Undefined: nobody has claimed it yet. */ owner: Owner | undefined; isPrimaryReadable: boolean };

/** Who may write a database's history: the highest generation in any of its repositories. */
export type Ownership = {
  /**
   * One listing of each repository, and one read of the newest claim: it has to be there, and whole, each time. While one of them can't be read, what this installation has read before counts too: a stale copy brings no former
   * owner back. Where calls cost, an answer of the last `recalledMs` will do, of a moment ago if absent, and a claim isn't read twice.
   * Fails: repository-unavailable, if none can be read; damaged-object, if that claim can't be read anywhere.
   */
  find(recalledMs?: number): Promise<FoundOwner>;
  /**
   * Before anything is written in the owner's name. Asks anew if `recalledMs` is absent. Fails: owner-outdated, installation-cloned,
   * repository-unavailable.
   */
  require(recalledMs?: number): Promise<Owner>;
  /** For whoever watches, and for the beginning of what asks again before it counts: how old an answer may be there. */
  readonly keptMs: number;
  /** The installations that owned the database before, the latest first. */
  former(present: Owner | undefined): Promise<Owner[]>;
  /**
   * Puts the claim into every repository that answers; what was away gets it from its owner's agent later. Fails:
   * owner-outdated, if another installation has that generation or a later one; repository-unavailable, if none took it.
   * Twice: the same.
   */
  claim(claim: Owner): Promise<void>;
  /**
   * Says in the owner's claim which timeline the database goes on with. From here on the backups of the timeline that was
   * left count as abandoned. Gives a warning if it is an older one than before: somebody has put replaced data back by hand.
   * Fails: owner-outdated, repository-unavailable. Twice: no-op.
   */
  follow(timeline: string): Promise<Warning | undefined>;
};

/** The claims that lie in one repository. */
export type Claims = {
  /** The highest generation, as this one repository says. */
  newest(): Promise<Owner | undefined>;
  /** Puts the claim. False if another installation has that generation here. Twice: the same answer. */
  put(claim: Owner): Promise<boolean>;
  /** All that is here of owners and histories, by name: what has not changed needs no comparing. `recalledMs`: @see ListOptions */
  names(recalledMs: number): Promise<string[]>;
};

export function claimsOf({ repository, database }: { repository: Repository; database: string }): Claims {
  return {
    newest: () => currentOwner(repository, database),
    put: (claim) => claimOwnership(repository, database, claim),
    names: async (recalledMs) => {
      const names: string[] = [];
      for (const prefix of [ownerPrefix(database), timelinesPrefix(database)]) {
        for await (const key of repository.keys(prefix, { recalledMs })) names.push(key);
      }
      return names;
    },
  };
}

export function ownershipOf(deps: StoreDeps, database: string): Ownership {
  const find = (recalledMs = MOMENT_MS): Promise<FoundOwner> => findOwner(deps, database, recalledMs);
  const require = async (recalledMs = 0): Promise<Owner> => requiredOwner(deps, database, () => find(recalledMs));
  const claim = (wanted: Owner): Promise<void> => claimIn(deps, { database, find: () => find(0) }, wanted);
  return {
    find,
    require,
    keptMs: POLLS_KEPT * (deps.config.timing?.ownerPollMs ?? POLL_MS),
    former: (present) => formerOwners(deps, database, present),
    claim,
    follow: async (timeline) => {
      const owner = await require();
      if (owner.timeline === timeline) return undefined;
      await claim({ ...owner, generation: owner.generation + 1, timeline, claimedAtMs: Date.now() });
      if (Number(timeline) > Number(owner.timeline)) return undefined;
      const sentence = `the data directory is back on timeline ${timeline}: the backups of timeline ${owner.timeline} are of an abandoned history`;
      return { code: 'history-changed', message: sentence };
    },
  };
}

async function findOwner(deps: StoreDeps, database: string, recalledMs: number): Promise<FoundOwner> {
  const claims = await inEachRepository(deps, database, (repository) => newestClaimKey(repository, database, recalledMs));
  requireOneAnswer(claims);
  const found = await newestClaim(claims);
  const seen = await deps.seenOwners.recall(database);
  // Another process of this host knows better than what this one recalls.
  if (recalledMs > 0 && newerOf(found, seen) !== found) return findOwner(deps, database, 0);
  const owner = isBelieved(claims) ? found : newerOf(found, seen);
  if (owner !== undefined) await deps.seenOwners.remember(database, owner);
  const primary = repositoriesOf(deps, database)[0];
  return { owner, isPrimaryReadable: claims.answers.some(({ name }) => name === primary) };
}

/** Repositories may have been begun anew; but whoever wants signatures must not believe one that somebody has put back, or taken a claim out of. */
function isBelieved({ answers, failures }: Answers<unknown>): boolean {
  return failures.length === 0 && answers.every(({ repository }) => repository.signing?.isRequired !== true);
}

const newerOf = (found: Owner | undefined, seen: Owner | undefined): Owner | undefined =>
  (seen?.generation ?? 0) > (found?.generation ?? 0) ? seen : found;

/** A generation that is known to have been given away is never passed over for an older one: one sound copy of it is enough. */
async function newestClaim({ answers }: Answers<string | undefined>): Promise<Owner | undefined> {
  const newest = answers.reduce<string | undefined>(
    (best, { found }) => (found !== undefined && found > (best ?? '') ? found : best),
    undefined,
  );
  if (newest === undefined) return undefined;
  const failures: unknown[] = [];
  for (const { repository } of answers.filter(({ found }) => found === newest)) {
    try {
      return await readSealed(remembered(repository), newest, ownerSchema);
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}

async function newestClaimKey(repository: Repository, database: string, recalledMs = 0): Promise<string | undefined> {
  let newest: string | undefined;
  for await (const key of repository.keys(ownerPrefix(database), { recalledMs })) newest = key;
  return newest;
}

async function requiredOwner(deps: StoreDeps, database: string, find: () => Promise<FoundOwner>): Promise<Owner> {
  const { agent } = deps;
  await deps.requireInstallation();
  const { owner } = await find();
  if (owner?.installationId === agent.installationId) return owner;
  const who = owner === undefined ? 'nobody' : `agent "${owner.agent}" (generation ${owner.generation})`;
  throw new RstowError('owner-outdated', `${who} owns database "${database}", not this installation of "${agent.name}"`, {
    details: { installationId: owner?.installationId ?? null },
  });
}

async function formerOwners(deps: StoreDeps, database: string, present: Owner | undefined): Promise<Owner[]> {
  const { answers } = await inEachRepository(deps, database, (repository) => readClaims(repository, database));
  const claims = answers.flatMap(({ found }) => found).sort((left, right) => right.generation - left.generation);
  const byInstallation = new Map<string, Owner>();
  for (const claim of claims) if (!byInstallation.has(claim.installationId)) byInstallation.set(claim.installationId, claim);
  if (present !== undefined) byInstallation.delete(present.installationId);
  return [...byInstallation.values()];
}

async function readClaims(repository: Repository, database: string): Promise<Owner[]> {
  const claims: Owner[] = [];
  for await (const key of repository.keys(ownerPrefix(database))) {
    const claim = await readSealed(repository, key, ownerSchema);
    if (claim !== undefined) claims.push(claim);
  }
  return claims;
}

async function claimIn(
  deps: StoreDeps,
  { database, find }: { database: string; find: () => Promise<FoundOwner> },
  claim: Owner,
): Promise<void> {
  const { generation, installationId } = claim;
  await deps.requireInstallation();
  const outdated = (): RstowError =>
    new RstowError('owner-outdated', `another installation became the owner of "${database}" meanwhile`, { details: { generation } });
  const { owner } = await find();
  if (owner !== undefined && owner.generation >= generation && owner.installationId !== installationId) throw outdated();
  const claims = await inEachRepository(deps, database, async (repository) => {
    if (!(await claimOwnership(repository, database, claim))) throw outdated();
  });
  requireOneAnswer(claims);
  await deps.seenOwners.remember(database, claim);
}

/** Puts the claim if nobody has that generation there. Twice: the same answer. */
export async function claimOwnership(repository: Repository, database: string, claim: Owner): Promise<boolean> {
  const key = ownerKey(database, claim.generation);
  if ((await putSealed(repository, key, { schema: ownerSchema, value: claim })) === 'stored') return true;
  const there = await readSealed(repository, key, ownerSchema);
  return there?.installationId === claim.installationId;
}

/** The highest generation, as this one repository says. */
export async function currentOwner(repository: Repository, database: string): Promise<Owner | undefined> {
  const newest = await newestClaimKey(repository, database);
  return newest === undefined ? undefined : readSealed(repository, newest, ownerSchema);
}
