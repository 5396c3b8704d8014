/** Backups and restores without Temporal: the recipes, run by the local engine with the agent’s own verbs. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Activities } from '../../src/activities/activities.ts';
import type { ActivityBody } from '../../src/activities/activity.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { createRunningBackups } from '../../src/activities/backup/running-backups.ts';
import { ownRun, type RunPort } from '../../src/activities/run-port.ts';
import { type Verified, verifyStoredBackup } from '../../src/activities/verify/verify-backup.ts';
import type { CheckDatabaseResult } from '../../src/contract/check-database.ts';
import type { CopyBackupsInput, CopyBackupsResult } from '../../src/contract/copy-backups.ts';
import type { ExportBackupResult } from '../../src/contract/export-backup.ts';
import type { ImportBackupResult } from '../../src/contract/import-backup.ts';
import type { PointInTimeRecoveryInput, PointInTimeRecoveryResult } from '../../src/contract/point-in-time-recovery.ts';
import type { RecoverInstanceInput, RecoverInstanceResult } from '../../src/contract/recover-instance.ts';
import type { RebaseDatabaseResult } from '../../src/contract/rebase-database.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { TestRecoveryInput, TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import type { UndoRestoreInput, UndoRestoreResult } from '../../src/contract/undo-restore.ts';
import type { ColdBackupResult } from '../../src/contract/cold-backup.ts';
import type { WorkflowType } from '../../src/contract/workflow-types.ts';
import type { RecoveryTarget } from '../../src/core/recovery/target.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { createSeenBackups, createSeenOwners } from '../../src/io/agent-state/seen.ts';
import { boundActivities } from '../../src/local/local-run.ts';
import { localEngine } from '../../src/local/local-engine.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { createStores } from '../../src/store/store.ts';
import { createCodings, createRepositoryOpener } from '../../src/worker/repositories.ts';
import type { Engine } from '../../src/workflows/engine.ts';
import { checkDatabase } from '../../src/workflows/check-database.ts';
import { coldBackup } from '../../src/workflows/cold-backup.ts';
import { copyBackups } from '../../src/workflows/copy-backups.ts';
import { exportBackup } from '../../src/workflows/export-backup.ts';
import { hotBackup } from '../../src/workflows/hot-backup.ts';
import { importBackup } from '../../src/workflows/import-backup.ts';
import { pointInTimeRecovery } from '../../src/workflows/point-in-time-recovery.ts';
import { rebaseDatabase } from '../../src/workflows/rebase-database.ts';
import { recoverInstance } from '../../src/workflows/recover-instance.ts';
import { restore } from '../../src/workflows/restore.ts';
import { testRecovery } from '../../src/workflows/test-recovery.ts';
import { undoRestore } from '../../src/workflows/undo-restore.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';

export type DirectRun = <Input, Output>(body: (deps: ActivityDeps) => ActivityBody<Input, Output>, input: Input) => Promise<Output>;

export type BackUpOptions = {
  /** The primary where absent. */ repository?: string;
  /** What the orchestrator's clock says; now where absent. */ startedAtMs?: number;
  /** What happens to the source once it is pinned. */ afterPin?: (unpin: () => Promise<void>) => Promise<void>;
  /** The name of its end. */ mark?: string;
  /** Lets the server compact. */ compact?: boolean;
  /** Whether a log from which no server can start is left as it is. */
  isUnrescued?: boolean;
  /** Whether the database's other repositories get nothing of it, as if they were away. */
  isUncopied?: boolean;
  /** What happens once its manifest is written; the step may be done again. */
  afterManifest?: (again: () => Promise<unknown>) => Promise<void>;
};

const DB1 = { name: 'db1', installationId: '11111111-1111-4111-8111-111111111111' };

/** The agent's own composition, without Temporal: no run is ever cancelled or closed. `openRepository`: other ones than the config's. */
export function directDeps(stack: DatabaseStack, openRepository = createRepositoryOpener(stack.config), agent = DB1): ActivityDeps {
  const nothing = async (): Promise<undefined> => Promise.resolve(undefined);
  const unused = (): never => {
    throw new Error('no Temporal here');
  };
  const own = {
    config: stack.config,
    agent,
    requireInstallation: async () => Promise.resolve(),
    seenOwners: createSeenOwners(stack.config.agent.stateDir),
    seenBackups: createSeenBackups(stack.config.agent.stateDir),
  };
  return {
    ...own,
    ...createStores({ ...own, openRepository, codingOf: createCodings(stack.config, openRepository) }),
    configFile: stack.configFile,
    temporal: { clusterId: 'none', namespace: 'none' },
    runs: { checkOpen: async () => Promise.resolve(), isOpen: unused, chainOf: unused, lockHolder: unused, terminate: unused },
    events: { record: () => undefined },
    backupWatch: { schedule: nothing, scheduled: async () => [], lastEnded: nothing, failed: async () => [], archive: nothing },
    runningBackups: createRunningBackups(),
    searchAttributes: false,
  };
}

/** A run of its own: its steps share one run id. */
export function directRun(deps: ActivityDeps): DirectRun {
  const run = newRun();
  return (body, input) => body(deps)(input, run);
}

export function newRun(): RunPort {
  return { ...ownRun(randomUUID()), workflowId: 'direct' };
}

type DirectEngine = { deps: ActivityDeps; type: WorkflowType; now?: (() => number) | undefined };

/** An engine whose verbs a test may replace. */
export function directEngine({ deps, type, now }: DirectEngine, replace: (verbs: Activities) => Partial<Activities> = () => ({})): Engine {
  const run = newRun();
  const own = boundActivities(deps, run);
  const verbs = { ...own, ...replace(own) };
  return localEngine({ type, database: DATABASE, runId: run.runId, verbs, phase: () => undefined, now });
}

/** What the workflow hotBackup does. */
export async function backUp(stack: DatabaseStack, options: BackUpOptions = {}): Promise<Manifest> {
  const deps = directDeps(stack);
  expect(await databaseOwnership(deps, DATABASE)).toEqual({ kind: 'mine' });
  const { repository, startedAtMs, afterPin, mark, compact, afterManifest, isUnrescued, isUncopied } = options;
  const now = startedAtMs === undefined ? undefined : (): number => startedAtMs;
  const engine = directEngine({ deps, type: 'hotBackup', now }, ({ pinWal, unpinWal, writeManifest, rescueLog }) => ({
    rescueLog: async (input) => (isUnrescued === true ? null : rescueLog(input)),
    pinWal: async (input) => {
      const pinned = await pinWal(input);
      await afterPin?.(() => unpinWal({ database: DATABASE, timeline: input.timeline }));
      return pinned;
    },
    writeManifest: async (input) => {
      const written = await writeManifest(input);
      await afterManifest?.(() => writeManifest(input));
      return isUncopied === true ? { ...written, copying: undefined } : written;
    },
  }));
  const { label = '', repository: name = '' } = await hotBackup({ database: DATABASE, repository, mark, compact }, engine);
  return (await deps.openStore(DATABASE, name)).backups.read(label);
}

export type ColdOptions = {
  /** What happens when nearly all is stored, and the server is about to be stopped. */
  beforeStop?: () => Promise<unknown>;
};

/** What the workflow coldBackup does. */
export async function backUpCold(stack: DatabaseStack, { beforeStop }: ColdOptions = {}): Promise<ColdBackupResult> {
  const deps = directDeps(stack);
  expect(await databaseOwnership(deps, DATABASE)).toEqual({ kind: 'mine' });
  const engine = directEngine({ deps, type: 'coldBackup' }, ({ storeStopped }) => ({
    storeStopped: async (input) => {
      await beforeStop?.();
      return storeStopped(input);
    },
  }));
  return coldBackup({ database: DATABASE }, engine);
}

/** What the workflow restore does with another directory, a rehearsal by a real server included. */
export async function restoreElsewhere(stack: DatabaseStack, backup: string, toDataDir: string): Promise<void> {
  const engine = directEngine({ deps: directDeps(stack), type: 'restore' });
  const restored = await restore({ database: DATABASE, backup, to: { dataDir: toDataDir } }, engine);
  expect(restored).toMatchObject({ rehearsal: 'passed', warnings: [] });
}

/** What the workflow pointInTimeRecovery does with another directory, a rehearsal included unless the config says no. */
export async function recoverElsewhere(
  stack: DatabaseStack,
  point: Pick<PointInTimeRecoveryInput, 'target' | 'timeline'>,
  toDataDir: string,
): Promise<PointInTimeRecoveryResult> {
  const engine = directEngine({ deps: directDeps(stack), type: 'pointInTimeRecovery' });
  const recovered = await pointInTimeRecovery({ database: DATABASE, ...point, to: { dataDir: toDataDir } }, engine);
  expect(recovered).toMatchObject({ rehearsal: stack.settings.rehearsal.policy === 'off' ? 'off' : 'passed', warnings: [] });
  return recovered;
}

/** The same in place; no backup follows, as without Temporal. */
export async function recoverInPlace(stack: DatabaseStack, target: RecoveryTarget): Promise<PointInTimeRecoveryResult> {
  const engine = directEngine({ deps: directDeps(stack), type: 'pointInTimeRecovery' });
  const recovered = await pointInTimeRecovery({ database: DATABASE, target }, engine);
  expect(recovered).toMatchObject({ warnings: [{ code: 'no-backup-yet' }] });
  return recovered;
}

/** What it says with `dryRun` of a recovery in place. */
export async function explainPoint(
  stack: DatabaseStack,
  point: Pick<PointInTimeRecoveryInput, 'target' | 'timeline'>,
): Promise<PointInTimeRecoveryResult> {
  const engine = directEngine({ deps: directDeps(stack), type: 'pointInTimeRecovery' });
  return pointInTimeRecovery({ database: DATABASE, ...point, dryRun: true }, engine);
}

/** What the workflow recoverInstance does. */
export async function bringBack(stack: DatabaseStack, input: Omit<RecoverInstanceInput, 'database'>): Promise<RecoverInstanceResult> {
  return recoverInstance({ database: DATABASE, ...input }, directEngine({ deps: directDeps(stack), type: 'recoverInstance' }));
}

type RestoreOptions = {
  whileItWaits?: () => Promise<unknown>;
  /** Warnings beside the one that no backup follows. */
  warned?: readonly string[];
};

/** What the workflow restore does in place: the server stops, wal/ is swapped, the server starts and is compared. */
export async function restoreInPlace(
  stack: DatabaseStack,
  backup: string,
  { whileItWaits, warned = [] }: RestoreOptions = {},
): Promise<RestoreResult> {
  const engine = directEngine({ deps: directDeps(stack), type: 'restore' });
  const agreed: Engine['agreed'] = async (planned, work) => {
    await whileItWaits?.();
    return engine.agreed(planned, work);
  };
  const restored = await restore({ database: DATABASE, backup }, { ...engine, agreed });
  const rehearsal = stack.settings.rehearsal.policy === 'off' ? 'off' : 'passed';
  expect(restored).toMatchObject({ rehearsal, warnings: [...warned, 'no-backup-yet'].map((code) => ({ code })) });
  return restored;
}

export type RebaseOptions = {
  dryRun?: boolean;
  /** What clients do when all is carried over that they had written by then, and the server is about to be stopped. */
  beforeStop?: () => Promise<unknown>;
  /** What happens when the server runs on the new log; a failure of it is the comparison's. */
  afterStart?: () => Promise<unknown>;
};

/** What the workflow rebaseDatabase does. */
export async function rebaseInPlace(
  stack: DatabaseStack,
  { dryRun, beforeStop, afterStart }: RebaseOptions = {},
): Promise<RebaseDatabaseResult> {
  const deps = directDeps(stack);
  expect(await databaseOwnership(deps, DATABASE)).toEqual({ kind: 'mine' });
  const engine = directEngine({ deps, type: 'rebaseDatabase' }, ({ nameSwap, verifyLive }) => ({
    nameSwap: async (input) => {
      await beforeStop?.();
      return nameSwap(input);
    },
    verifyLive: async (input) => {
      await afterStart?.();
      return verifyLive(input);
    },
  }));
  return rebaseDatabase({ database: DATABASE, dryRun }, engine);
}

/** What the workflow undoRestore does. */
export async function undoInPlace(stack: DatabaseStack, input: Omit<UndoRestoreInput, 'database'> = {}): Promise<UndoRestoreResult> {
  return undoRestore({ database: DATABASE, ...input }, directEngine({ deps: directDeps(stack), type: 'undoRestore' }));
}

/** What the workflow testRecovery does. */
export async function testRecoveryNow(stack: DatabaseStack, input: Omit<TestRecoveryInput, 'database'> = {}): Promise<TestRecoveryResult> {
  return testRecovery({ database: DATABASE, ...input }, directEngine({ deps: directDeps(stack), type: 'testRecovery' }));
}

/** What the workflow checkDatabase does. */
export async function checkNow(stack: DatabaseStack): Promise<CheckDatabaseResult> {
  return checkDatabase({ database: DATABASE }, directEngine({ deps: directDeps(stack), type: 'checkDatabase' }));
}

/** What the workflow copyBackups does. */
export async function copyNow(stack: DatabaseStack, input: Omit<CopyBackupsInput, 'database'> = {}): Promise<CopyBackupsResult> {
  return copyBackups({ database: DATABASE, ...input }, directEngine({ deps: directDeps(stack), type: 'copyBackups' }));
}

/** What the workflow importBackup does. */
export async function importFile(stack: DatabaseStack, file: string): Promise<ImportBackupResult> {
  return importBackup({ database: DATABASE, file }, directEngine({ deps: directDeps(stack), type: 'importBackup' }));
}

/** What the workflow exportBackup does. */
export async function exportFile(stack: DatabaseStack, backup: string, file: string): Promise<ExportBackupResult> {
  return exportBackup({ database: DATABASE, backup, file }, directEngine({ deps: directDeps(stack), type: 'exportBackup' }));
}

/** Fails where the backup's objects, records or replayed state are not what its manifest promises. */
export async function verifyByReplay(stack: DatabaseStack, { label }: Manifest, repository = 'local'): Promise<Verified> {
  return directRun(directDeps(stack))(verifyStoredBackup, { database: DATABASE, repository, label, level: 'replay' });
}

/** How far the backup goes in each segment, by file name. */
export function extentsOf(manifest: Manifest): Record<string, number> {
  return Object.fromEntries(manifest.segments.map(({ segment, ranges }) => [segmentFileName(segment), ranges.at(-1)?.endBytes ?? 0]));
}

/** Holds a restored wal/ against the source's files, byte for byte up to the backup's extents. */
export async function expectSameWal(manifest: Manifest, sourceWalDir: string, restoredWalDir: string): Promise<void> {
  for (const [fileName, endBytes] of Object.entries(extentsOf(manifest))) {
    const source = await readFile(join(sourceWalDir, fileName));
    const restored = await readFile(join(restoredWalDir, fileName));
    expect(restored.length, fileName).toBe(endBytes);
    expect(restored.equals(source.subarray(0, endBytes)), fileName).toBe(true);
  }
}
