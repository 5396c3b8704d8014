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
