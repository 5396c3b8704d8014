/** The workflow types: an exported name is a type, for ever. The default export answers all other names. */
import { parseArchiveWalInput } from '../contract/archive-wal.ts';
import { parseCheckDatabaseInput } from '../contract/check-database.ts';
import { parseColdBackupInput } from '../contract/cold-backup.ts';
import { parseCopyBackupsInput } from '../contract/copy-backups.ts';
import { parseDescribeDatabaseInput } from '../contract/describe-database.ts';
import { parseDisasterRecoveryInput } from '../contract/disaster-recovery.ts';
import { parseExpireBackupsInput } from '../contract/expire-backups.ts';
import { parseExportBackupInput } from '../contract/export-backup.ts';
import { parseHoldBackupInput } from '../contract/hold-backup.ts';
import { parseHotBackupInput } from '../contract/hot-backup.ts';
import { parseImportBackupInput } from '../contract/import-backup.ts';
import { parseListBackupsInput } from '../contract/list-backups.ts';
import { parsePointInTimeRecoveryInput } from '../contract/point-in-time-recovery.ts';
import { parseRebaseDatabaseInput } from '../contract/rebase-database.ts';
import { parseRecoverInstanceInput } from '../contract/recover-instance.ts';
import { parseRestoreInput } from '../contract/restore.ts';
import { parseRestoreVolumeInput } from '../contract/restore-volume.ts';
import { parseRotateKeysInput } from '../contract/rotate-keys.ts';
import { parseSnapshotBackupInput } from '../contract/snapshot-backup.ts';
import { parseTestRecoveryInput } from '../contract/test-recovery.ts';
import { parseUndoRestoreInput } from '../contract/undo-restore.ts';
import { parseVerifyBackupInput } from '../contract/verify-backup.ts';
import { archiveWal as archiveWalRecipe } from './archive-wal.ts';
import { checkDatabase as checkDatabaseRecipe } from './check-database.ts';
import { coldBackup as coldBackupRecipe } from './cold-backup.ts';
import { copyBackups as copyBackupsRecipe } from './copy-backups.ts';
import { describeDatabase as describeDatabaseRecipe } from './describe-database.ts';
import { disasterRecovery as disasterRecoveryRecipe } from './disaster-recovery.ts';
import { expireBackups as expireBackupsRecipe } from './expire-backups.ts';
import { exportBackup as exportBackupRecipe } from './export-backup.ts';
import { holdBackup as holdBackupRecipe } from './hold-backup.ts';
import { hotBackup as hotBackupRecipe } from './hot-backup.ts';
import { importBackup as importBackupRecipe } from './import-backup.ts';
import { listBackups as listBackupsRecipe } from './list-backups.ts';
import { pointInTimeRecovery as pointInTimeRecoveryRecipe } from './point-in-time-recovery.ts';
import { rebaseDatabase as rebaseDatabaseRecipe } from './rebase-database.ts';
import { recoverInstance as recoverInstanceRecipe } from './recover-instance.ts';
import { restore as restoreRecipe } from './restore.ts';
import { restoreVolume as restoreVolumeRecipe } from './restore-volume.ts';
import { rotateKeys as rotateKeysRecipe } from './rotate-keys.ts';
import { snapshotBackup as snapshotBackupRecipe } from './snapshot-backup.ts';
import { testRecovery as testRecoveryRecipe } from './test-recovery.ts';
import { undoRestore as undoRestoreRecipe } from './undo-restore.ts';
import { verifyBackup as verifyBackupRecipe } from './verify-backup.ts';
import { withArchiveRequests } from './temporal/archive-requests.ts';
import { withRecoverySignals, workflow } from './temporal/workflow.ts';

export { lockDatabase } from './temporal/lock.ts';
export { unknownWorkflow as default } from './temporal/workflow.ts';

export const archiveWal = workflow('archiveWal', parseArchiveWalInput, withArchiveRequests(archiveWalRecipe));
export const checkDatabase = workflow('checkDatabase', parseCheckDatabaseInput, checkDatabaseRecipe);
export const coldBackup = workflow('coldBackup', parseColdBackupInput, coldBackupRecipe);
export const copyBackups = workflow('copyBackups', parseCopyBackupsInput, copyBackupsRecipe);
export const describeDatabase = workflow('describeDatabase', parseDescribeDatabaseInput, describeDatabaseRecipe);
export const disasterRecovery = workflow('disasterRecovery', parseDisasterRecoveryInput, withRecoverySignals(disasterRecoveryRecipe));
export const expireBackups = workflow('expireBackups', parseExpireBackupsInput, expireBackupsRecipe);
export const exportBackup = workflow('exportBackup', parseExportBackupInput, exportBackupRecipe);
export const holdBackup = workflow('holdBackup', parseHoldBackupInput, holdBackupRecipe);
export const hotBackup = workflow('hotBackup', parseHotBackupInput, hotBackupRecipe);
export const importBackup = workflow('importBackup', parseImportBackupInput, importBackupRecipe);
export const listBackups = workflow('listBackups', parseListBackupsInput, listBackupsRecipe);
export const pointInTimeRecovery = workflow('pointInTimeRecovery', parsePointInTimeRecoveryInput, pointInTimeRecoveryRecipe);
export const rebaseDatabase = workflow('rebaseDatabase', parseRebaseDatabaseInput, rebaseDatabaseRecipe);
export const recoverInstance = workflow('recoverInstance', parseRecoverInstanceInput, recoverInstanceRecipe);
export const restore = workflow('restore', parseRestoreInput, restoreRecipe);
export const restoreVolume = workflow('restoreVolume', parseRestoreVolumeInput, restoreVolumeRecipe);
export const rotateKeys = workflow('rotateKeys', parseRotateKeysInput, rotateKeysRecipe);
export const snapshotBackup = workflow('snapshotBackup', parseSnapshotBackupInput, snapshotBackupRecipe);
export const testRecovery = workflow('testRecovery', parseTestRecoveryInput, testRecoveryRecipe);
export const undoRestore = workflow('undoRestore', parseUndoRestoreInput, undoRestoreRecipe);
export const verifyBackup = workflow('verifyBackup', parseVerifyBackupInput, verifyBackupRecipe);

/**
 * The SDK looks a type's name up in this module's object, which inherits these from every object: without an own export a run
 * of type `toString` would do what `toString` does.
 */
export {
  unknownWorkflow as __defineGetter__,
  unknownWorkflow as __defineSetter__,
  unknownWorkflow as __lookupGetter__,
  unknownWorkflow as __lookupSetter__,
  unknownWorkflow as constructor,
  unknownWorkflow as hasOwnProperty,
  unknownWorkflow as isPrototypeOf,
  unknownWorkflow as propertyIsEnumerable,
  unknownWorkflow as toLocaleString,
  unknownWorkflow as toString,
  unknownWorkflow as valueOf,
} from './temporal/workflow.ts';
