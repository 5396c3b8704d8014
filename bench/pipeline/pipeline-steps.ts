import { join } from 'node:path';
import type { Activities } from '../../src/activities/activities.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import type { WorkflowType } from '../../src/contract/workflow-types.ts';
import { boundActivities } from '../../src/local/local-run.ts';
import { localEngine } from '../../src/local/local-engine.ts';
import type { Engine } from '../../src/workflows/engine.ts';
import { hotBackup } from '../../src/workflows/hot-backup.ts';
import { restore as restoreRecipe } from '../../src/workflows/restore.ts';
import { verifyBackup } from '../../src/workflows/verify-backup.ts';
import { benchRun, DATABASE, REPOSITORY } from './bench-agent.ts';

/** The recipe, but for what only a server can answer. */
export async function backUp(deps: ActivityDeps, backup: { label: string; timeline: string }): Promise<void> {
  const answers: Partial<Activities> = {
    checkBackup: async () => undefined,
    prepareBackup: async () => ({ repository: REPOSITORY, ...backup, serverVersion: '0.3.0', warnings: [] }),
    storeAttachments: async () => ({ attachments: [], warnings: [] }),
  };
  await hotBackup({ database: DATABASE }, benchEngine(deps, 'hotBackup', answers));
}

/** Checksums of everything stored, then every record. */
export async function verify(deps: ActivityDeps, label: string): Promise<void> {
  await verifyBackup({ database: DATABASE, backup: label, level: 'records' }, benchEngine(deps, 'verifyBackup'));
}

/** A whole restore into another directory: fetched, every record checked, replayed, the digest compared, made durable. */
export async function restore(deps: ActivityDeps, label: string, toDataDir: string): Promise<void> {
  await restoreRecipe({ database: DATABASE, backup: label, to: { dataDir: toDataDir } }, benchEngine(deps, 'restore'));
}

function benchEngine(deps: ActivityDeps, type: WorkflowType, answers: Partial<Activities> = {}): Engine {
  const run = benchRun();
  const verbs = { ...boundActivities(deps, run), ...answers };
  return localEngine({ type, database: DATABASE, runId: run.runId, verbs, phase: () => undefined });
}

export function foldersOf(workDir: string): { dataDir: string; repositoryDir: string; stateDir: string; restoredDir: string } {
  const [dataDir, repositoryDir, stateDir, restoredDir] = ['data', 'repository', 'state', 'restored'].map((name) => join(workDir, name));
  return { dataDir, repositoryDir, stateDir, restoredDir } as ReturnType<typeof foldersOf>;
}
