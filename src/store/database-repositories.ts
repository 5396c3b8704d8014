import { isFaultOfRepository } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { SeenBackup } from '../formats/agent-state.ts';
import type { Owner } from '../formats/repository/history.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';

/** What the store is put together from, for all databases of one agent. */
export type StoreDeps = {
  config: {
    databases: Readonly<Record<string, { repositories: readonly string[] } | undefined>>;
    timing?: { ownerPollMs: number } | undefined;
  };
  agent: { name: string; installationId: string };
  /** Fails: installation-cloned. */
  requireInstallation(): Promise<void>;
  /** The owner of each database as this installation read it last. */
  seenOwners: { recall(database: string): Promise<Owner | undefined>; remember(database: string, owner: Owner): Promise<void> };
  /** The newest backup that this installation knows to have been in each repository. */
  seenBackups: {
    recall(of: { database: string; repository: string }): Promise<SeenBackup | undefined>;
    remember(of: { database: string; repository: string }, backup: SeenBackup): Promise<void>;
  };
  /** Fails: unknown-repository, repository-unavailable, repository-unsupported, format-unsupported. */
  openRepository(name: string): Promise<Repository>;
  /** How objects of the repository are stored and read. Fails: as openRepository; invalid-config. */
  codingOf(name: string): Promise<Coding>;
};

/** The names of the database's repositories, the primary first. Fails: unknown-database. */
export function repositoriesOf({ config }: Pick<StoreDeps, 'config'>, database: string): readonly string[] {
  const settings = Object.hasOwn(config.databases, database) ? config.databases[database] : undefined;
  if (settings !== undefined) return settings.repositories;
  const known = Object.keys(config.databases).join(', ');
  throw new RstowError('unknown-database', `this agent's config has no database "${database}"; it has: ${known}`);
}

/** The one that is named, or the primary. Fails: unknown-database, unknown-repository, repository-unavailable. */
export async function openRepositoryOf(
  deps: Pick<StoreDeps, 'config' | 'openRepository'>,
  database: string,
  wanted: string | undefined,
): Promise<{ name: string; repository: Repository }> {
  const name = repositoryNamed(repositoriesOf(deps, database), wanted);
  return { name, repository: await deps.openRepository(name) };
}

/** The wanted one of a database's repositories, or its primary. Fails: unknown-repository. */
export function repositoryNamed(names: readonly string[], wanted: string | undefined): string {
  if (wanted === undefined) return names[0] as string;
  if (names.includes(wanted)) return wanted;
  throw new RstowError('unknown-repository', `the database has no repository "${wanted}"; it has: ${names.join(', ')}`);
}

type Answer<Found> = { name: string; repository: Repository; found: Found };
type Failure = { name: string; error: RstowError };
/** Both in the order of the config. */
export type Answers<Found> = { answers: Answer<Found>[]; failures: Failure[] };

/** Asks each repository of the database, one after another; one that is away or out of order is left out, with its reason. */
export async function inEachRepository<Found>(
  deps: Pick<StoreDeps, 'config' | 'openRepository'>,
  database: string,
  ask: (repository: Repository, name: string) => Promise<Found>,
): Promise<Answers<Found>> {
  const all: Answers<Found> = { answers: [], failures: [] };
  for (const name of repositoriesOf(deps, database)) {
    try {
      const repository = await deps.openRepository(name);
      all.answers.push({ name, repository, found: await ask(repository, name) });
    } catch (error) {
      if (!(error instanceof RstowError) || !isFaultOfRepository(error.code)) throw error;
      all.failures.push({ name, error });
    }
  }
  return all;
}

/** Fails where no repository answered, as the first of them did. */
export function requireOneAnswer({ answers, failures }: { answers: readonly unknown[]; failures: readonly Failure[] }): void {
  if (answers.length === 0 && failures[0] !== undefined) throw failures[0].error;
}
