/** Every type that a person may start; docs/workflows.md describes each. */
export const WORKFLOW_TYPES = [
  'hotBackup',
  'verifyBackup',
  'testRecovery',
  'restore',
  'disasterRecovery',
  'listBackups',
  'describeDatabase',
] as const;

export type WorkflowType = (typeof WORKFLOW_TYPES)[number];
