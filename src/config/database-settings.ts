import type { AgentConfig, DatabaseConfig } from './agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** Fails: unknown-database. */
export function databaseSettings(config: AgentConfig, database: string): DatabaseConfig {
  const settings = config.databases[database];
  if (settings !== undefined) return settings;
  const known = Object.keys(config.databases).join(', ');
  throw new RstowError('unknown-database', `this agent's config has no database "${database}"; it has: ${known}`);
}

/** The named repository where the database uses it, else the primary. Fails: unknown-repository. */
export function repositoryName(settings: DatabaseConfig, wanted: string | undefined): string {
  if (wanted === undefined) return settings.repositories[0] as string;
  if (settings.repositories.includes(wanted)) return wanted;
  const known = settings.repositories.join(', ');
  throw new RstowError('unknown-repository', `the database has no repository "${wanted}"; it has: ${known}`);
}
