import { z } from 'zod';
import { agentSection } from './agent.ts';
import { alertsSection } from './alerts.ts';
import { operatorsSection } from './authority.ts';
import { databaseSection } from './database.ts';
import { repositorySection } from './repository.ts';
import { temporalSection } from './temporal.ts';
import { timingSection } from './timing.ts';
import { name } from './values.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** The one YAML file of an agent, a file here for each of its sections. Secrets are paths of files. */
export const agentConfigSchema = z.strictObject({
  agent: agentSection.prefault({}),
  operators: operatorsSection.optional(),
  temporal: temporalSection.prefault({}),
  repositories: z.record(name, repositorySection),
  databases: z.record(name, databaseSection),
  alerts: alertsSection.optional(),
  timing: timingSection.prefault({}),
});

export type AgentConfig = z.infer<typeof agentConfigSchema>;
export type DatabaseConfig = AgentConfig['databases'][string];
export type SnapshotConfig = NonNullable<DatabaseConfig['snapshot']>;
export type RepositoryConfig = AgentConfig['repositories'][string];
export type EncryptionConfig = NonNullable<RepositoryConfig['encryption']>;
export type ServerConfig = DatabaseConfig['server'];
export type HttpConfig = NonNullable<AgentConfig['agent']['http']>;
export type EmbeddedTemporalConfig = NonNullable<AgentConfig['temporal']['embedded']>;
export type TimingConfig = AgentConfig['timing'];

/** Fails: unknown-database. */
export function databaseSettings(config: AgentConfig, database: string): DatabaseConfig {
  const settings = Object.hasOwn(config.databases, database) ? config.databases[database] : undefined;
  if (settings !== undefined) return settings;
  const known = Object.keys(config.databases).join(', ');
  throw new RstowError('unknown-database', `this agent's config has no database "${database}"; it has: ${known}`);
}
