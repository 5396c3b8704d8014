import type { WorkflowType } from '../../contract/workflow-types.ts';
import type { ResultLines } from '../tell-result.ts';
import { backupLines } from './backup-result.ts';
import { disasterLines } from './disaster-result.ts';
import { infoLines } from './info-result.ts';
import { listLines } from './list-result.ts';
import { restoreLines } from './restore-result.ts';
import { testLines } from './test-result.ts';
import { verifyLines } from './verify-result.ts';

/** How each type's result is told to a person. */
export const RESULT_LINES: Record<WorkflowType, ResultLines<never>> = {
  hotBackup: backupLines,
  verifyBackup: verifyLines,
  testRecovery: testLines,
  restore: restoreLines,
  disasterRecovery: disasterLines,
  listBackups: listLines,
  describeDatabase: infoLines,
};
