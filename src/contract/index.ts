/** What other programs may rely on, as the package's `rstow/contract`: inputs, results, names, messages and failures. */
export { type ErrorCode, errorTable, isErrorCode } from '../core/errors/error-table.ts';
export { type ErrorDetails, RstowError } from '../core/errors/rstow-error.ts';
export * from './describe-database.ts';
export * from './disaster-recovery.ts';
export * from './hot-backup.ts';
export * from './list-backups.ts';
export * from './messages.ts';
export * from './names.ts';
export * from './point-in-time-recovery.ts';
export * from './recover-instance.ts';
export * from './restore.ts';
export * from './result.ts';
export * from './test-recovery.ts';
export * from './undo-restore.ts';
export * from './verify-backup.ts';
export * from './workflow-types.ts';
