import { type Owner, ownerSchema } from '../config/repository-json/owner.ts';
import { ownerKey, ownerPrefix } from '../core/repository/object-keys.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Repository } from '../io/repository/repository.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import type { ActivityDeps, AgentIdentity } from './activity-deps.ts';
import { databaseSettings } from './database-settings.ts';

/** Where ownership is told: the first of the database's repositories that can be reached. Fails: repository-unavailable. */
export async function openOwnerRepository(deps: ActivityDeps, database: string): Promise<Repository> {
  const failures: unknown[] = [];
  for (const name of databaseSettings(deps.config, database).repositories) {
    try {
      return await deps.openRepository(name);
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}

/** Who may write the database's history: the highest generation. Undefined: nobody has claimed it yet. */
export async function currentOwner(repository: Repository, database: string): Promise<Owner | undefined> {
  let newest: string | undefined;
  for await (const { key } of repository.list(ownerPrefix(database))) newest = key;
  return newest === undefined ? undefined : readSealed(repository, newest, ownerSchema);
}

/** The installations that owned the database before, the latest first. */
export async function formerOwners(repository: Repository, database: string, limit: number): Promise<Owner[]> {
  const keys: string[] = [];
  for await (const { key } of repository.list(ownerPrefix(database))) keys.push(key);
  const owners = await Promise.all(keys.reverse().map((key) => readSealed(repository, key, ownerSchema)));
  const byInstallation = new Map<string, Owner>();
  for (const owner of owners.filter((candidate) => candidate !== undefined)) {
    if (!byInstallation.has(owner.installationId)) byInstallation.set(owner.installationId, owner);
  }
  return [...byInstallation.values()].slice(1, limit + 1);
}

/** Puts the claim if nobody has that generation. Twice: the same answer. */
export async function claimOwnership(repository: Repository, database: string, claim: Owner): Promise<boolean> {
  const key = ownerKey(database, claim.generation);
  if ((await putSealed(repository, key, { schema: ownerSchema, value: claim })) === 'stored') return true;
  const there = await readSealed(repository, key, ownerSchema);
  return there?.installationId === claim.installationId;
}

/** Fails: owner-outdated, where another installation owns the database now. */
export async function requireOwner(repository: Repository, database: string, agent: AgentIdentity): Promise<Owner> {
  const owner = await currentOwner(repository, database);
  if (owner?.installationId === agent.installationId) return owner;
  const who = owner === undefined ? 'nobody' : `agent "${owner.agent}" (generation ${owner.generation})`;
  throw new RstowError('owner-outdated', `${who} owns database "${database}", not this installation of "${agent.name}"`, {
    details: { installationId: owner?.installationId ?? null },
  });
}
