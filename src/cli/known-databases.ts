import type { RstowClient } from '../client/rstow-client.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { meantText } from '../core/text/nearest-name.ts';
import { asked, isAnswer } from './asked.ts';

/** Of the latest runs, which name databases. */
const RUNS_MAX = 200;

/** Those of this host's config, as far as it can be read, and those that Temporal has had runs of lately. */
export async function knownDatabases(rstow: RstowClient, configFile: string | undefined): Promise<string[]> {
  const { configuredDatabases } = await import('../local/describe-locally.ts');
  const configured = await asked(() => configuredDatabases(configFile));
  const ofRuns = (await rstow.runs({ limit: RUNS_MAX })).map(({ database }) => database).filter((name) => name !== '');
  return [...new Set([...(isAnswer(configured) ? configured.answer : []), ...ofRuns])].toSorted();
}

/** A database with a schedule, or with a run of long ago, is known too. Fails: unknown-database, naming those that are. */
export async function requireKnownDatabase(rstow: RstowClient, database: string, configFile: string | undefined): Promise<void> {
  if ((await rstow.schedules(database).list()).length > 0) return;
  const known = await knownDatabases(rstow, configFile);
  if (known.includes(database) || (await rstow.runs({ database, limit: 1 })).length > 0) return;
  const sentence = `neither this host’s config nor Temporal knows database "${database}"${meantText(database, known)}`;
  const hint = known.length === 0 ? 'None is known: start the agent of its host, or correct --address.' : `Known are: ${known.join(', ')}.`;
  throw new RstowError('unknown-database', sentence, { details: { database }, hint });
}
