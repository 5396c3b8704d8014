import { type Verification, verificationSchema } from '../../formats/repository/verification.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { verificationKey, verificationsPrefix } from '../../core/repository/object-keys.ts';
import type { Repository } from '../../io/repository/port.ts';
import { putSealed, readSealed } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { recordDamage } from '../../store/damage.ts';

export type RecordVerificationInput = { database: string; repository: string; fact: Omit<Verification, 'format' | 'runId'> };

const NOT_WRITABLE: readonly string[] = ['repository-unavailable', 'not-enough-space'];

/**
 * Remembers a verification, whether it held or not. A repository that takes no more writes, such as a copy that is
 * mounted read-only, can be verified all the same: then the warning says that nothing was remembered.
 * Twice: the first fact stands.
 */
export const recordVerification =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, fact }: RecordVerificationInput, run: RunPort): Promise<Warning[]> => {
    const key = verificationKey(database, { ...fact, runId: run.runId });
    try {
      const repository = await deps.openRepository(name);
      await putSealed(repository, key, { schema: verificationSchema, value: { format: 1, runId: run.runId, ...fact } });
      const { label, atMs, failure } = fact;
      if (failure?.key !== undefined) await recordDamage(repository, database, { key: failure.key, label, atMs, runId: run.runId });
      return [];
    } catch (error) {
      if (!(error instanceof RstowError) || !NOT_WRITABLE.includes(error.code)) throw error;
      return [{ code: error.code, message: `the result of the verification could not be stored: ${error.message}` }];
    }
  };

/** What was remembered of one backup. */
export async function readVerifications(repository: Repository, database: string, label: string): Promise<Verification[]> {
  const facts: Verification[] = [];
  for await (const key of repository.keys(`${verificationsPrefix(database)}${label}/`)) {
    const fact = await readSealed(repository, key, verificationSchema);
    if (fact !== undefined) facts.push(fact);
  }
  return facts;
}
