import { RstowError } from '../core/errors/rstow-error.ts';
import type { Repository } from '../io/repository/port.ts';
import type { ActivityDeps } from '../activities/activity-deps.ts';
import { databaseSettings } from '../config/database-settings.ts';

type Answer<Found> = { name: string; repository: Repository; found: Found };
type Failure = { name: string; error: RstowError };
/** Both in the order of the config. */
export type Answers<Found> = { answers: Answer<Found>[]; failures: Failure[] };

/** What one repository can have without the others' being any worse. */
const ITS_OWN_FAULT = [
  'repository-unavailable',
  'repository-unsupported',
  'format-unsupported',
  'not-enough-space',
  'missing-object',
  'truncated-object',
  'damaged-object',
];

/** Asks each repository of the database, one after another; one that is away or out of order is left out, with its reason. */
export async function inEachRepository<Found>(
  deps: ActivityDeps,
  database: string,
  ask: (repository: Repository, name: string) => Promise<Found>,
): Promise<Answers<Found>> {
  const all: Answers<Found> = { answers: [], failures: [] };
  for (const name of databaseSettings(deps.config, database).repositories) {
    try {
      const repository = await deps.openRepository(name);
      all.answers.push({ name, repository, found: await ask(repository, name) });
    } catch (error) {
      if (!(error instanceof RstowError) || !ITS_OWN_FAULT.includes(error.code)) throw error;
      all.failures.push({ name, error });
    }
  }
  return all;
}

/** Fails where no repository answered, as the first of them did. */
export function requireOneAnswer({ answers, failures }: Answers<unknown>): void {
  if (answers.length === 0 && failures[0] !== undefined) throw failures[0].error;
}
