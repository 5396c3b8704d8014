import { type RecoveryTest, recoveryTestSchema } from '../../config/repository-json/recovery-test.ts';
import { recoveryTestsPrefix } from '../../core/repository/object-keys.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { putSealed, readSealed } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { recordDamage } from '../stored/damage.ts';

export type RecordTestInput = { database: string; repository: string; fact: Omit<RecoveryTest, 'format' | 'runId'> };

/** Remembers a recovery test, whether it held or not. Twice: the first fact stands. */
export const recordTest =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, fact }: RecordTestInput, run: RunPort): Promise<void> => {
    const repository = await deps.openRepository(name);
    const key = `${recoveryTestsPrefix(database)}${fact.label}/${run.runId}.json`;
    await putSealed(repository, key, { schema: recoveryTestSchema, value: { format: 1, runId: run.runId, ...fact } });
    const { label, atMs, failure } = fact;
    if (failure?.key !== undefined) await recordDamage(repository, database, { key: failure.key, label, atMs, runId: run.runId });
  };

export async function readTests(repository: Repository, database: string): Promise<RecoveryTest[]> {
  const tests: RecoveryTest[] = [];
  for await (const { key } of repository.list(recoveryTestsPrefix(database))) {
    const test = await readSealed(repository, key, recoveryTestSchema);
    if (test !== undefined) tests.push(test);
  }
  return tests;
}
