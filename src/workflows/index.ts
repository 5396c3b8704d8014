/** The workflow types: an exported name is a type, for ever. The default export answers all other names. */
import { parseDescribeDatabaseInput } from '../contract/describe-database.ts';
import { parseDisasterRecoveryInput } from '../contract/disaster-recovery.ts';
import { parseHotBackupInput } from '../contract/hot-backup.ts';
import { parseListBackupsInput } from '../contract/list-backups.ts';
import { parsePointInTimeRecoveryInput } from '../contract/point-in-time-recovery.ts';
import { parseRecoverInstanceInput } from '../contract/recover-instance.ts';
import { parseRestoreInput } from '../contract/restore.ts';
import { parseTestRecoveryInput } from '../contract/test-recovery.ts';
import { parseUndoRestoreInput } from '../contract/undo-restore.ts';
import { parseVerifyBackupInput } from '../contract/verify-backup.ts';
import { describeDatabase as describeDatabaseRecipe } from './describe-database.ts';
import { disasterRecovery as disasterRecoveryRecipe } from './disaster-recovery.ts';
import { hotBackup as hotBackupRecipe } from './hot-backup.ts';
import { listBackups as listBackupsRecipe } from './list-backups.ts';
import { pointInTimeRecovery as pointInTimeRecoveryRecipe } from './point-in-time-recovery.ts';
import { recoverInstance as recoverInstanceRecipe } from './recover-instance.ts';
import { restore as restoreRecipe } from './restore.ts';
import { testRecovery as testRecoveryRecipe } from './test-recovery.ts';
import { undoRestore as undoRestoreRecipe } from './undo-restore.ts';
import { verifyBackup as verifyBackupRecipe } from './verify-backup.ts';
import { withRecoverySignals, workflow } from './temporal/workflow.ts';

export { lockDatabase } from './temporal/lock.ts';
export { unknownWorkflow as default } from './temporal/workflow.ts';

export const describeDatabase = workflow('describeDatabase', parseDescribeDatabaseInput, describeDatabaseRecipe);
export const disasterRecovery = workflow('disasterRecovery', parseDisasterRecoveryInput, withRecoverySignals(disasterRecoveryRecipe));
export const hotBackup = workflow('hotBackup', parseHotBackupInput, hotBackupRecipe);
export const listBackups = workflow('listBackups', parseListBackupsInput, listBackupsRecipe);
export const pointInTimeRecovery = workflow('pointInTimeRecovery', parsePointInTimeRecoveryInput, pointInTimeRecoveryRecipe);
export const recoverInstance = workflow('recoverInstance', parseRecoverInstanceInput, recoverInstanceRecipe);
export const restore = workflow('restore', parseRestoreInput, restoreRecipe);
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
