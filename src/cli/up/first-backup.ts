import type { RstowClient } from '../../client/rstow-client.ts';
import type { Workflows, WorkflowType } from '../../contract/workflow-types.ts';
import { requester } from '../requester.ts';
import { backupLines } from '../results/backup-result.ts';
import { verifyLines } from '../results/verify-result.ts';

export type FirstBackup = { rstow: RstowClient; database: string; signal: AbortSignal; tell: (lines: readonly string[]) => void };

/** Makes and verifies the first backup of a database that has none. Fails: with a run's failure. */
export async function firstBackup(backup: FirstBackup): Promise<void> {
  const { tell, database } = backup;
  const before = await protection(backup);
  if (before.latest !== null && (before.backups > 1 || before.latest.verified !== undefined)) return;
  if (before.latest === null) {
    tell([`${database} has no backup yet: the first one is made`]);
    tell(backupLines(await run(backup, 'hotBackup')));
  }
  tell(verifyLines(await run(backup, 'verifyBackup')));
}

/** How well the database is protected now. Fails: with the run's failure. */
export async function protection(backup: FirstBackup): Promise<Workflows['describeDatabase']['result']> {
  return run(backup, 'describeDatabase');
}

/** Under an id of its own: a run that an `up` began before it was killed is waited for and not begun again. */
async function run<T extends WorkflowType>({ rstow, database, signal }: FirstBackup, type: T): Promise<Workflows[T]['result']> {
  const started = await rstow.start(type, { database, requestedBy: requester(), reason: 'rstow up' }, { idEnd: 'up' });
  return started.result(signal);
}
