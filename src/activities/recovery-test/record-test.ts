import { type RecoveryTest, recoveryTestSchema } from '../../formats/repository/recovery-test.ts';
import { recoveryTestKey, recoveryTestsPrefix, type TestName, testNameOfKey } from '../../core/repository/object-keys.ts';
import type { Repository } from '../../io/repository/port.ts';
import { putSealed, readSealed } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { recordDamage } from '../../store/damage.ts';

export type RecordTestInput = { database: string; repository: string; fact: Omit<RecoveryTest, 'format' | 'runId'> };

/** Remembers a recovery test, whether it held or not. Twice: the first fact stands. */
export const recordTest =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, fact }: RecordTestInput, run: RunPort): Promise<void> => {
    const repository = await deps.openRepository(name);
    const key = recoveryTestKey(database, { label: fact.label, atMs: fact.atMs, runId: run.runId });
    await putSealed(repository, key, { schema: recoveryTestSchema, value: { format: 1, runId: run.runId, ...fact } });
    const { label, atMs, failure } = fact;
    if (failure?.key !== undefined) await recordDamage(repository, database, { key: failure.key, label, atMs, runId: run.runId });
  };

/** What was remembered of one backup. */
export async function readTests(repository: Repository, database: string, label: string): Promise<RecoveryTest[]> {
  const tests: RecoveryTest[] = [];
  for await (const key of repository.keys(`${recoveryTestsPrefix(database)}${label}/`)) {
    const test = await readSealed(repository, key, recoveryTestSchema);
    if (test !== undefined) tests.push(test);
  }
  return tests;
}

/** All that was remembered, the newest first, without reading any of it. */
export async function listTests(repository: Repository, database: string): Promise<TestName[]> {
  const names: TestName[] = [];
  for await (const key of repository.keys(recoveryTestsPrefix(database))) {
    const name = testNameOfKey(key);
    if (name !== undefined) names.push(name);
  }
  return names.sort((left, right) => right.atMs - left.atMs);
}

/** Undefined where somebody has removed it meanwhile. */
export async function readTest(repository: Repository, database: string, name: TestName): Promise<RecoveryTest | undefined> {
  return readSealed(repository, recoveryTestKey(database, name), recoveryTestSchema);
}
