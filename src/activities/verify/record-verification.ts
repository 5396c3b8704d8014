import type { Verification } from '../../formats/repository/verification.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

export type RecordVerificationInput = { database: string; repository: string; fact: Omit<Verification, 'format' | 'runId'> };

const NOT_WRITABLE: readonly string[] = ['repository-unavailable', 'not-enough-space'];

/**
 * Remembers a verification, whether it held or not. A repository that takes no more writes, such as a copy that is
 * mounted read-only, can be verified all the same: then the warning says that nothing was remembered.
 * Twice: the first fact stands.
 */
export const recordVerification =
  (deps: ActivityDeps) =>
  async ({ database, repository, fact }: RecordVerificationInput, { runId }: Pick<RunPort, 'runId'>): Promise<Warning[]> => {
    try {
      const store = await deps.openStore(database, repository);
      await store.facts.recordVerification({ runId, ...fact });
      const { label, level, held } = fact;
      deps.events.record({ kind: 'backup-verified', database, repository, label, level, held, sentence: `backup ${label} was verified` });
      return [];
    } catch (error) {
      if (!(error instanceof RstowError) || !NOT_WRITABLE.includes(error.code)) throw error;
      return [{ code: error.code, message: `the result of the verification could not be stored: ${error.message}` }];
    }
  };
