import { join } from 'node:path';
import type { Owner } from '../../formats/repository/owner.ts';
import type { StaleServer } from '../../contract/describe-database.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readTimelineFile } from '../../io/data-directory/timeline-file.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkDataDirectoryIsServers } from '../backup/data-directory-check.ts';
import { databaseSettings } from '../../config/database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { withServer } from '../../database/rstmdb-connection.ts';
import { findOwner } from '../../store/ownership.ts';

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
    const settings = databaseSettings(deps.config, database);
    const { owner } = await findOwner(deps, database);
    if (owner === undefined || owner.installationId === deps.agent.installationId) return null;
    try {
      const options = { timing: deps.config.timing, signal };
      await withServer(settings.server, options, (client) => checkDataDirectoryIsServers(settings, client));
    } catch (error) {
      if (error instanceof RstowError && NOT_OURS.includes(error.code)) return null;
      throw error;
    }
    if (await continuesHistoryOf(owner, settings.dataDir)) return null;
    const { agent, generation, claimedAtMs } = owner;
    return { agent: deps.agent.name, address: settings.server.address, owner: { agent, generation, claimedAtMs } };
  };

/** Two installations may know one server, such as after an adoption: its history is the one that the owner goes on with. */
async function continuesHistoryOf(owner: Owner, dataDir: string): Promise<boolean> {
  const file = await readTimelineFile(join(dataDir, 'wal')).catch(undefinedWhereUnreadable);
  return file !== undefined && (file.timeline === owner.timeline || file.generation >= owner.generation);
}

/** A history that can't say which one it is, is not the owner's. */
function undefinedWhereUnreadable(error: unknown): undefined {
  if (error instanceof RstowError && error.code === 'timeline-diverged') return undefined;
  throw error;
}
