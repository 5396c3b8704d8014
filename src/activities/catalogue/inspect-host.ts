import type { ReplacedFolder } from '../../contract/describe-database.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ServerFacts } from '../../core/protection/verdict.ts';
import { listReplaced } from '../../io/data-directory/restores.ts';
import { readServerSettings } from '../../database/server-settings.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkDataDirectoryIsServers } from '../../database/data-directory-check.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';

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
    const opened = openDatabase(deps, database);
    const { server, settings } = opened;
    const { compaction } = await readServerSettings(opened);
    const replaced = await listReplaced(opened.dataDir);
    try {
      await server.ask((client) => checkDataDirectoryIsServers(server, client), { signal, answerMs: SERVER_ANSWER_MS });
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
