import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import type { RunPort } from '../run-port.ts';
import type { Owner } from '../../formats/repository/history.ts';
import type { StaleServer } from '../../contract/describe-database.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { checkDataDirectoryIsServers } from '../../database/data-directory-check.ts';
import { openDatabase } from '../../database/database.ts';

type TakeOwnershipInput = {
  database: string;
  /** That of the owner who is replaced; 0 for none. */ fromGeneration: number;
  timeline: string;
  planHash: string;
};

/** The generation of the owner who is about to be replaced; 0 for none. */
export const readOwnerGeneration =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<number> =>
    (await deps.catalogueOf(database).owner.find(0)).owner?.generation ?? 0;

/**
 * Makes this installation the owner: from here on the old host is fenced, whatever it still believes.
 * Fails: owner-outdated, where somebody else took the database over meanwhile; signature-refused. Twice: the same generation.
 */
export const takeOwnership =
  (deps: ActivityDeps) =>
  async ({ database, fromGeneration, timeline, planHash }: TakeOwnershipInput, run: RunPort): Promise<{ generation: number }> => {
    const { agent, temporal } = deps;
    const generation = fromGeneration + 1;
    await requireAuthority(deps, run, { database, planHash });
    await run.checkOpen();
    await deps.catalogueOf(database).owner.claim({
      format: 1,
      generation,
      agent: agent.name,
      installationId: agent.installationId,
      temporal,
      timeline,
      claimedAtMs: Date.now(),
    });
    return { generation };
  };

/** Whoever answers at the address, if anybody, is not the server of this host's directory. */
const NOT_OURS = ['server-unreachable', 'server-refused', 'data-directory-missing', 'data-directory-foreign'];

/**
 * This host's server, where it answers on although another installation has taken the database over with another
 * history: what its clients write is lost. Null where it doesn't. Fails: unknown-database, repository-unavailable.
 * Twice: asked anew.
 */
export const findStaleServer =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, { signal }: Pick<RunPort, 'signal'>): Promise<StaleServer | null> => {
    const { server, walDir } = openDatabase(deps, database);
    const { owner } = await deps.catalogueOf(database).owner.find();
    if (owner === undefined || owner.installationId === deps.agent.installationId) return null;
    try {
      await server.ask((client) => checkDataDirectoryIsServers(server, client), { signal });
    } catch (error) {
      if (error instanceof RstowError && NOT_OURS.includes(error.code)) return null;
      throw error;
    }
    if (await continuesHistoryOf(owner, walDir)) return null;
    const { agent, generation, claimedAtMs } = owner;
    return { agent: deps.agent.name, address: server.address, owner: { agent, generation, claimedAtMs } };
  };

/** Two installations may know one server, such as after an adoption: its history is the one that the owner goes on with. */
async function continuesHistoryOf(owner: Owner, walDir: string): Promise<boolean> {
  const file = await readTimelineFile(walDir).catch(undefinedWhereUnreadable);
  return file !== undefined && (file.timeline === owner.timeline || file.generation >= owner.generation);
}

/** A history that can't say which one it is, is not the owner's. */
function undefinedWhereUnreadable(error: unknown): undefined {
  if (error instanceof RstowError && error.code === 'timeline-diverged') return undefined;
  throw error;
}
