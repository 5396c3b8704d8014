import type { Warning } from '../../contract/result.ts';
import { databaseSettings } from '../../config/agent-config.ts';
import { isFaultOfRepository } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Store } from '../../store/store.ts';
import { passedOverWarning } from '../restore/find-backup.ts';
import type { ActivityDeps } from '../activity-deps.ts';

/** The repositories that are to have a backup besides the one that has it, and how many have to have it in all. */
export type CopiesWanted = { others: string[]; quorum: number };

/** Undefined for a database with one repository. */
export function copiesWanted(
  deps: Pick<ActivityDeps, 'config'>,
  { database, repository }: { database: string; repository: string },
): CopiesWanted | undefined {
  const { repositories, quorum } = databaseSettings(deps.config, database);
  const others = [...new Set(repositories)].filter((name) => name !== repository);
  return others.length === 0 ? undefined : { others, quorum };
}

type StoreOpener = Pick<ActivityDeps, 'openStore' | 'catalogueOf'>;

export type OpenedFirst = { store: Store; /** Which repositories were passed over. */ warnings: Warning[] };

/**
 * The wanted repository; if none is named, the first of the database's that answers. Fails: unknown-database, unknown-repository; as the
 * first of them, if none answers.
 */
export async function openFirst(deps: StoreOpener, database: string, wanted: string | undefined): Promise<OpenedFirst> {
  if (wanted !== undefined) return { store: await deps.openStore(database, wanted), warnings: [] };
  return openOneOf(deps, database, deps.catalogueOf(database).names);
}

/** The same of one that is preferred, for what any of them has. */
export async function openPreferred(deps: ActivityDeps, database: string, preferred: string): Promise<Store> {
  const names = [preferred, ...deps.catalogueOf(database).names];
  return (await openOneOf(deps, database, [...new Set(names)])).store;
}

async function openOneOf(deps: StoreOpener, database: string, names: readonly string[]): Promise<OpenedFirst> {
  const failures: { name: string; error: RstowError }[] = [];
  for (const name of names) {
    try {
      const store = await deps.openStore(database, name);
      return { store, warnings: failures.map(({ name: other, error }) => passedOverWarning(other, name, error)) };
    } catch (error) {
      if (!(error instanceof RstowError) || !isFaultOfRepository(error.code)) throw error;
      failures.push({ name, error });
    }
  }
  throw (failures[0] as (typeof failures)[number]).error;
}
