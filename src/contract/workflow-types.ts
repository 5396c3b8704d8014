import { type DescribeDatabaseInput, type DescribeDatabaseResult, parseDescribeDatabaseInput } from './describe-database.ts';
import { type DisasterRecoveryInput, type DisasterRecoveryResult, parseDisasterRecoveryInput } from './disaster-recovery.ts';
import { type HotBackupInput, type HotBackupResult, parseHotBackupInput } from './hot-backup.ts';
import { type ListBackupsInput, type ListBackupsResult, parseListBackupsInput } from './list-backups.ts';
import { parsePointInTimeRecoveryInput, type PointInTimeRecoveryInput, type PointInTimeRecoveryResult } from './point-in-time-recovery.ts';
import { parseRecoverInstanceInput, type RecoverInstanceInput, type RecoverInstanceResult } from './recover-instance.ts';
import { parseRestoreInput, type RestoreInput, type RestoreResult } from './restore.ts';
import { parseTestRecoveryInput, type TestRecoveryInput, type TestRecoveryResult } from './test-recovery.ts';
import { parseUndoRestoreInput, type UndoRestoreInput, type UndoRestoreResult } from './undo-restore.ts';
import { parseVerifyBackupInput, type VerifyBackupInput, type VerifyBackupResult } from './verify-backup.ts';

/** What each type takes and returns. */
export type Workflows = {
  hotBackup: { input: HotBackupInput; result: HotBackupResult };
  verifyBackup: { input: VerifyBackupInput; result: VerifyBackupResult };
  testRecovery: { input: TestRecoveryInput; result: TestRecoveryResult };
  restore: { input: RestoreInput; result: RestoreResult };
  pointInTimeRecovery: { input: PointInTimeRecoveryInput; result: PointInTimeRecoveryResult };
  recoverInstance: { input: RecoverInstanceInput; result: RecoverInstanceResult };
  undoRestore: { input: UndoRestoreInput; result: UndoRestoreResult };
  disasterRecovery: { input: DisasterRecoveryInput; result: DisasterRecoveryResult };
  listBackups: { input: ListBackupsInput; result: ListBackupsResult };
  describeDatabase: { input: DescribeDatabaseInput; result: DescribeDatabaseResult };
};

/** Every type that a person may start; docs/workflows.md describes each. */
export type WorkflowType = keyof Workflows;

/** Of each type: takes the workflow's whole argument list. Fails: invalid-input. */
export const INPUT_PARSERS: { readonly [T in WorkflowType]: (args: readonly unknown[]) => Workflows[T]['input'] } = {
  hotBackup: parseHotBackupInput,
  verifyBackup: parseVerifyBackupInput,
  testRecovery: parseTestRecoveryInput,
  restore: parseRestoreInput,
  pointInTimeRecovery: parsePointInTimeRecoveryInput,
  recoverInstance: parseRecoverInstanceInput,
  undoRestore: parseUndoRestoreInput,
  disasterRecovery: parseDisasterRecoveryInput,
  listBackups: parseListBackupsInput,
  describeDatabase: parseDescribeDatabaseInput,
};

export const WORKFLOW_TYPES = Object.keys(INPUT_PARSERS) as WorkflowType[];

/** Types that only report: their runs change nothing, and nobody asks for them later. */
export const QUERY_TYPES: readonly WorkflowType[] = ['listBackups', 'describeDatabase'];
