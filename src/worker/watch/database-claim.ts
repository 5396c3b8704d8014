import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { checkDataDirectoryIsServers } from '../../database/data-directory-check.ts';
import type { Store } from '../../store/store.ts';
import { openDatabase } from '../../database/database.ts';
import type { Owner } from '../../formats/repository/history.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { listSegments } from '../../io/data-directory/segments.ts';

/** `unknown`: no saying now, so whatever was known before goes on. */
export type DatabaseOwnership = { kind: 'mine' } | { kind: 'foreign'; why: string } | { kind: 'unknown'; why: string };

const FIRST_GENERATION = 1;

/**
 * Whether this installation may write the database's history. One that nobody owns yet is claimed by the agent whose
 * directory and server it is. Twice: the same answer.
 */
export async function databaseOwnership(deps: ActivityDeps, database: string): Promise<DatabaseOwnership> {
  try {
    const { owner, isPrimaryReadable } = await deps.catalogueOf(database).owner.find();
    if (owner !== undefined) return ownershipOf(owner, deps);
    if (!isPrimaryReadable) return { kind: 'unknown', why: 'its primary repository is not reachable' };
    return await claim(deps, await deps.openStore(database));
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    return { kind: 'unknown', why: `${error.code}: ${error.message}` };
  }
}

function ownershipOf(owner: Owner, { agent }: ActivityDeps): DatabaseOwnership {
  if (owner.installationId === agent.installationId) return { kind: 'mine' };
  return { kind: 'foreign', why: `agent "${owner.agent}" (installation ${owner.installationId}) owns it` };
}

/** The timeline comes first: an owner whose history has no name would be an owner of nothing. */
async function claim(deps: ActivityDeps, { database, claims, timelines }: Store): Promise<DatabaseOwnership> {
  const { dataDir, walDir, server } = openDatabase(deps, database);
  const segments = await listSegments(walDir);
  if (segments === undefined || segments.length === 0) {
    return { kind: 'foreign', why: `nobody owns it, and ${dataDir} holds no WAL to claim it with` };
  }
  await server.ask((client) => checkDataDirectoryIsServers(server, client));
  const createdAtMs = Date.now();
  const { timeline } = await timelines.create({
    generation: FIRST_GENERATION,
    parent: null,
    why: 'first',
    runId: 'claim',
    createdAtMs,
  });
  const { agent, temporal } = deps;
  const owner: Owner = {
    format: 1,
    generation: FIRST_GENERATION,
    agent: agent.name,
    installationId: agent.installationId,
    temporal,
    timeline,
    claimedAtMs: createdAtMs,
  };
  if (await claims.put(owner)) return { kind: 'mine' };
  return { kind: 'foreign', why: 'another agent claimed it at the same moment' };
}
