import { z } from 'zod';
import { agentSection } from './agent.ts';
import { operatorsSection } from './authority.ts';
import { databaseSection } from './database.ts';
import { repositorySection } from './repository.ts';
import { temporalSection } from './temporal.ts';
import { timingSection } from './timing.ts';
import { name } from './values.ts';

/** The one YAML file of an agent, a file here for each of its sections. Secrets are paths of files. */
export const agentConfigSchema = z.strictObject({
  agent: agentSection.prefault({}),
  operators: operatorsSection.optional(),
  temporal: temporalSection.prefault({}),
  repositories: z.record(name, repositorySection),
  databases: z.record(name, databaseSection),
  timing: timingSection.prefault({}),
});

export type AgentConfig = z.infer<typeof agentConfigSchema>;
export type DatabaseConfig = AgentConfig['databases'][string];
export type RepositoryConfig = AgentConfig['repositories'][string];
export type ServerConfig = DatabaseConfig['server'];
export type RecoveryWebhookConfig = NonNullable<AgentConfig['agent']['recoveryWebhook']>;
export type EmbeddedTemporalConfig = NonNullable<AgentConfig['temporal']['embedded']>;
export type TimingConfig = AgentConfig['timing'];
