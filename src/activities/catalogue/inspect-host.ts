import type { ReplacedFolder } from '../../contract/describe-database.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ServerFacts } from '../../core/protection/verdict.ts';
import { listReplaced } from '../../io/data-directory/replaced.ts';
import { readServerSettings } from '../../io/server-process/server-settings.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkDataDirectoryIsServers } from '../backup/data-directory-check.ts';
import { databaseSettings } from '../../config/database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { withServer } from '../../database/rstmdb-connection.ts';

export type InspectedHost = { server: ServerFacts; replaced: ReplacedFolder[] };

/** Somebody waits for the answer, and a server that is up gives it in milliseconds. */
const SERVER_ANSWER_MS = 5_000;

/**
 * What the owner's host knows of the database: whether its server answers from the data directory, what the server's
 * own settings would lose, and what restores have kept. A server that is down is an answer. Fails: unknown-database.
 * Twice: asked anew.
 */
export const inspectHost =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, { signal }: Pick<RunPort, 'signal'>): Promise<InspectedHost> => {
    const settings = databaseSettings(deps.config, database);
    const timing = { ...deps.config.timing, serverRequestMs: Math.min(deps.config.timing.serverRequestMs, SERVER_ANSWER_MS) };
    const { compaction } = await readServerSettings(settings);
    const replaced = await listReplaced(settings.dataDir);
    try {
      await withServer(settings.server, { timing, signal }, (client) => checkDataDirectoryIsServers(settings, client));
      return { server: { compaction }, replaced: keptOf(replaced, settings.safetyCopyMs) };
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      const failure = { code: error.code, sentence: error.message };
      return { server: { failure, compaction }, replaced: keptOf(replaced, settings.safetyCopyMs) };
    }
  };

type Replaced = Awaited<ReturnType<typeof listReplaced>>;

function keptOf(replaced: Replaced, safetyCopyMs: number): ReplacedFolder[] {
  return replaced.map(({ path, sizeBytes, keptMs }) => ({ path, sizeBytes, keptUntilMs: Date.now() + Math.max(0, safetyCopyMs - keptMs) }));
}
