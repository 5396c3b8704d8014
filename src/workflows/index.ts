/** The workflow types: an exported name is a type, for ever. The default export answers all other names. */
export { lockDatabase } from './database-lock.ts';
export { describeDatabase } from './describe-database.ts';
export { disasterRecovery } from './disaster-recovery.ts';
export { hotBackup } from './hot-backup.ts';
export { listBackups } from './list-backups.ts';
export { restore } from './restore.ts';
export { testRecovery } from './test-recovery.ts';
export { unknownWorkflow as default } from './unknown-workflow.ts';
export { verifyBackup } from './verify-backup.ts';

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
} from './unknown-workflow.ts';
