import { type ArchiveWalInput, type ArchiveWalResult, parseArchiveWalInput } from './archive-wal.ts';
import { type CheckDatabaseInput, type CheckDatabaseResult, parseCheckDatabaseInput } from './check-database.ts';
import { type ColdBackupInput, type ColdBackupResult, parseColdBackupInput } from './cold-backup.ts';
import { type CopyBackupsInput, type CopyBackupsResult, parseCopyBackupsInput } from './copy-backups.ts';
import { type DescribeDatabaseInput, type DescribeDatabaseResult, parseDescribeDatabaseInput } from './describe-database.ts';
import { type DisasterRecoveryInput, type DisasterRecoveryResult, parseDisasterRecoveryInput } from './disaster-recovery.ts';
import { type ExpireBackupsInput, type ExpireBackupsResult, parseExpireBackupsInput } from './expire-backups.ts';
import { type ExportBackupInput, type ExportBackupResult, parseExportBackupInput } from './export-backup.ts';
import { type HoldBackupInput, type HoldBackupResult, parseHoldBackupInput } from './hold-backup.ts';
import { type HotBackupInput, type HotBackupResult, parseHotBackupInput } from './hot-backup.ts';
import { type ImportBackupInput, type ImportBackupResult, parseImportBackupInput } from './import-backup.ts';
import { type ListBackupsInput, type ListBackupsResult, parseListBackupsInput } from './list-backups.ts';
import { parsePointInTimeRecoveryInput, type PointInTimeRecoveryInput, type PointInTimeRecoveryResult } from './point-in-time-recovery.ts';
import { parseRebaseDatabaseInput, type RebaseDatabaseInput, type RebaseDatabaseResult } from './rebase-database.ts';
import { parseRecoverInstanceInput, type RecoverInstanceInput, type RecoverInstanceResult } from './recover-instance.ts';
import { parseRestoreVolumeInput, type RestoreVolumeInput, type RestoreVolumeResult } from './restore-volume.ts';
import { parseRestoreInput, type RestoreInput, type RestoreResult } from './restore.ts';
import { parseRotateKeysInput, type RotateKeysInput, type RotateKeysResult } from './rotate-keys.ts';
import { parseSnapshotBackupInput, type SnapshotBackupInput, type SnapshotBackupResult } from './snapshot-backup.ts';
import { parseTestRecoveryInput, type TestRecoveryInput, type TestRecoveryResult } from './test-recovery.ts';
import { parseUndoRestoreInput, type UndoRestoreInput, type UndoRestoreResult } from './undo-restore.ts';
import { parseVerifyBackupInput, type VerifyBackupInput, type VerifyBackupResult } from './verify-backup.ts';

/** What each type takes and returns. */
export type Workflows = {
  hotBackup: { input: HotBackupInput; result: HotBackupResult };
  snapshotBackup: { input: SnapshotBackupInput; result: SnapshotBackupResult };
  coldBackup: { input: ColdBackupInput; result: ColdBackupResult };
  archiveWal: { input: ArchiveWalInput; result: ArchiveWalResult };
  verifyBackup: { input: VerifyBackupInput; result: VerifyBackupResult };
  testRecovery: { input: TestRecoveryInput; result: TestRecoveryResult };
  restore: { input: RestoreInput; result: RestoreResult };
  restoreVolume: { input: RestoreVolumeInput; result: RestoreVolumeResult };
  pointInTimeRecovery: { input: PointInTimeRecoveryInput; result: PointInTimeRecoveryResult };
  recoverInstance: { input: RecoverInstanceInput; result: RecoverInstanceResult };
  rebaseDatabase: { input: RebaseDatabaseInput; result: RebaseDatabaseResult };
  undoRestore: { input: UndoRestoreInput; result: UndoRestoreResult };
  disasterRecovery: { input: DisasterRecoveryInput; result: DisasterRecoveryResult };
  rotateKeys: { input: RotateKeysInput; result: RotateKeysResult };
  importBackup: { input: ImportBackupInput; result: ImportBackupResult };
  copyBackups: { input: CopyBackupsInput; result: CopyBackupsResult };
  expireBackups: { input: ExpireBackupsInput; result: ExpireBackupsResult };
  holdBackup: { input: HoldBackupInput; result: HoldBackupResult };
  exportBackup: { input: ExportBackupInput; result: ExportBackupResult };
  listBackups: { input: ListBackupsInput; result: ListBackupsResult };
  describeDatabase: { input: DescribeDatabaseInput; result: DescribeDatabaseResult };
  checkDatabase: { input: CheckDatabaseInput; result: CheckDatabaseResult };
};

/** Every type that a person may start; docs/workflows.md describes each. */
export type WorkflowType = keyof Workflows;

/** Of each type: takes the workflow's whole argument list. Fails: invalid-input. */
export const INPUT_PARSERS: { readonly [T in WorkflowType]: (args: readonly unknown[]) => Workflows[T]['input'] } = {
  hotBackup: parseHotBackupInput,
  snapshotBackup: parseSnapshotBackupInput,
  coldBackup: parseColdBackupInput,
  archiveWal: parseArchiveWalInput,
  verifyBackup: parseVerifyBackupInput,
  testRecovery: parseTestRecoveryInput,
  restore: parseRestoreInput,
  restoreVolume: parseRestoreVolumeInput,
  pointInTimeRecovery: parsePointInTimeRecoveryInput,
  recoverInstance: parseRecoverInstanceInput,
  rebaseDatabase: parseRebaseDatabaseInput,
  undoRestore: parseUndoRestoreInput,
  disasterRecovery: parseDisasterRecoveryInput,
  rotateKeys: parseRotateKeysInput,
  importBackup: parseImportBackupInput,
  copyBackups: parseCopyBackupsInput,
  expireBackups: parseExpireBackupsInput,
  holdBackup: parseHoldBackupInput,
  exportBackup: parseExportBackupInput,
  listBackups: parseListBackupsInput,
  describeDatabase: parseDescribeDatabaseInput,
  checkDatabase: parseCheckDatabaseInput,
};

export const WORKFLOW_TYPES = Object.keys(INPUT_PARSERS) as WorkflowType[];

/** Types that only report: their runs change nothing, and nobody asks for them later. */
export const QUERY_TYPES: readonly WorkflowType[] = ['listBackups', 'describeDatabase', 'checkDatabase'];

/** Types that make a backup: a run of one gives way to what brings a database back. */
export const BACKUP_TYPES: readonly WorkflowType[] = ['hotBackup', 'coldBackup', 'snapshotBackup'];
