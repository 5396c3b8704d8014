import type { Client } from '@temporalio/client';
import type { DescribeDatabaseResult } from '../../contract/describe-database.ts';
import type { HotBackupResult } from '../../contract/hot-backup.ts';
import { runWorkflowId, WORKFLOW_QUEUE } from '../../contract/names.ts';
import type { CommonResult } from '../../contract/result.ts';
import type { VerifyBackupResult } from '../../contract/verify-backup.ts';
import type { WorkflowType } from '../../contract/workflow-types.ts';
import { requester } from '../requester.ts';
import { backupLines } from '../results/backup-result.ts';
import { verifyLines } from '../results/verify-result.ts';

export type FirstBackup = { client: Client; database: string; signal: AbortSignal; tell: (lines: readonly string[]) => void };

/** Makes and verifies the first backup of a database that has none. Fails: with a run's failure. */
export async function firstBackup(backup: FirstBackup): Promise<void> {
  const { tell, database } = backup;
  const before = await protection(backup);
  if (before.latest !== null && (before.backups > 1 || before.latest.verified !== undefined)) return;
  if (before.latest === null) {
    tell([`${database} has no backup yet: the first one is made`]);
    tell(backupLines(await run<HotBackupResult>(backup, 'hotBackup')));
  }
  tell(verifyLines(await run<VerifyBackupResult>(backup, 'verifyBackup')));
}

/** How well the database is protected now. Fails: with the run's failure. */
export async function protection(backup: FirstBackup): Promise<DescribeDatabaseResult> {
  return run<DescribeDatabaseResult>(backup, 'describeDatabase');
}

/** Under an id of its own: a run that an `up` began before it was killed is waited for and not begun again. */
async function run<Result extends CommonResult>({ client, database, signal }: FirstBackup, type: WorkflowType): Promise<Result> {
  const handle = await client.workflow.start(type, {
    workflowId: runWorkflowId(database, type, 'up'),
    workflowIdConflictPolicy: 'USE_EXISTING',
    taskQueue: WORKFLOW_QUEUE,
    args: [{ database, requestedBy: requester(), reason: 'rstow up' }],
    staticSummary: `${type} of ${database}`,
  });
  return (await client.withAbortSignal(signal, () => handle.result())) as Result;
}
