import { type Verification, verificationSchema } from '../config/repository-json/verification.ts';
import { verificationsPrefix } from '../core/repository/object-keys.ts';
import type { Repository } from '../io/repository/repository.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import type { ActivityDeps } from './activity-deps.ts';
import type { RunPort } from './run-port.ts';

export type RecordVerificationInput = { database: string; repository: string; fact: Omit<Verification, 'format' | 'runId'> };

/** Remembers a verification, whether it held or not. Twice: the first fact stands. */
export const recordVerification =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, fact }: RecordVerificationInput, run: RunPort): Promise<void> => {
    const repository = await deps.openRepository(name);
    const key = `${verificationsPrefix(database)}${fact.label}/${run.runId}.json`;
    await putSealed(repository, key, { schema: verificationSchema, value: { format: 1, runId: run.runId, ...fact } });
  };

/** The facts of one backup, or of all of them. */
export async function readVerifications(repository: Repository, database: string): Promise<Verification[]> {
  const facts: Verification[] = [];
  for await (const { key } of repository.list(verificationsPrefix(database))) {
    const fact = await readSealed(repository, key, verificationSchema);
    if (fact !== undefined) facts.push(fact);
  }
  return facts;
}
