import type { BackupWatch } from '../activities/activity-deps.ts';
import { ownRun } from '../activities/run-port.ts';
import type { CheckDatabaseResult } from '../contract/check-database.ts';
import type { DescribeDatabaseResult } from '../contract/describe-database.ts';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import { newLocalRunId } from '../io/agent-state/run-files.ts';
import type { ProtectionGap } from '../core/protection/verdict.ts';
import { isAgentRunning } from '../worker/agent-identity.ts';
import { loadConfig } from '../worker/load-config.ts';
import { checkDatabase } from '../workflows/check-database.ts';
import { describeDatabase } from '../workflows/describe-database.ts';
import { localDeps } from './local-deps.ts';
import { localEngine } from './local-engine.ts';
import { boundActivities } from './local-run.ts';

export type LocalState = { described: DescribeDatabaseResult; checked: CheckDatabaseResult };

/** What nobody but Temporal knows. */
const NO_WATCH: BackupWatch = {
  schedule: () => Promise.resolve(undefined),
  scheduled: () => Promise.resolve([]),
  lastEnded: () => Promise.resolve(undefined),
  failed: () => Promise.resolve([]),
  archive: () => Promise.resolve(undefined),
};

/**
 * How well a database is protected, and what a restart would lose, without Temporal: the recipes of the queries of these names, by
 * this process on this host. Whether a schedule backs it up is not known, so that gap is left out.
 * Fails: as the workflows `describeDatabase` and `checkDatabase`.
 */
export async function describeLocally({ configFile, database }: { configFile: string | undefined; database: string }): Promise<LocalState> {
  const deps = { ...(await localDeps(configFile)), backupWatch: NO_WATCH };
  const runId = newLocalRunId();
  const verbs = boundActivities(deps, ownRun(runId));
  const parts = { database, runId, verbs, phase: (): void => undefined };
  const described = await describeDatabase({ database }, localEngine({ ...parts, type: 'describeDatabase' }));
  const checked = await checkDatabase({ database }, localEngine({ ...parts, type: 'checkDatabase' }));
  const gaps = [...(await agentGaps(described, deps.agent.installationId)), ...described.protection.gaps.filter(isKnown)];
  return {
    described: { ...described, protection: { isProtected: gaps.length === 0, gaps } },
    checked: { ...checked, findings: checked.findings.filter(isKnown) },
  };
}

/** Without Temporal nobody can ask the agent; but this host knows whether it runs. */
async function agentGaps({ owner }: DescribeDatabaseResult, installationId: string): Promise<ProtectionGap[]> {
  if (owner?.installationId !== installationId || (await isAgentRunning(installationId))) return [];
  const sentence = `agent ${owner.agent}, its owner, does not run: nothing is backed up or archived, and nothing gives back what compaction deletes`;
  return [{ code: 'agent-unreachable', sentence, remedy: 'start `rstow up` or `rstow agent` on this host' }];
}

/** Nor whether the namespace has taken rstow's attributes. */
const OF_TEMPORAL: readonly string[] = ['no-schedule', 'search-attributes-refused'];

function isKnown({ code }: { code: string }): boolean {
  return !OF_TEMPORAL.includes(code);
}

/** The databases of this host's config. Fails: invalid-config. */
export async function configuredDatabases(configFile: string = DEFAULT_CONFIG_FILE): Promise<string[]> {
  return Object.keys((await loadConfig(configFile)).databases);
}
