import type { Verified } from '../activities/verification.ts';
import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import { parseVerifyBackupInput, type VerifyBackupInput, type VerifyBackupResult } from '../contract/verify-backup.ts';
import { step, transfer } from './activity-proxies.ts';
import { placeAnywhere } from './place.ts';
import type { Run } from './run.ts';
import { runFailure } from './run-failure.ts';
import { workflow } from './workflow.ts';

const DEFAULT_LEVEL = 'replay';

/** Reads a whole backup and compares it with what its manifest promises; remembers the answer, good or bad. */
export const verifyBackup = workflow(
  'verifyBackup',
  parseVerifyBackupInput,
  async (input: VerifyBackupInput, run): Promise<VerifyBackupResult> => {
    const { database, backup = 'latest', level = DEFAULT_LEVEL } = input;
    run.phase('looking for an agent', `an agent that serves ${database}`);
    const place = await placeAnywhere(database, input.repository);
    run.placed(place);
    const wanted = input.repository === undefined ? {} : { repository: input.repository };
    const { label, repository } = await step(place).chooseBackup({ database, backup, ...wanted });
    run.phase(`verifying ${label}: ${level}`);
    const fact = { label, level };
    try {
      const verified = await transfer(place).verifyStoredBackup({ database, repository, label, level });
      await step(place).recordVerification({ database, repository, fact: { ...fact, atMs: Date.now(), held: true } });
      return resultOf(run, { label, repository, level }, verified);
    } catch (error) {
      const failure = runFailure(error);
      if (failure instanceof ApplicationFailure && !isCancellation(error) && isVerdict(failure)) {
        const told = { code: failure.type ?? 'failed', sentence: failure.message };
        await step(place).recordVerification({ database, repository, fact: { ...fact, atMs: Date.now(), held: false, failure: told } });
      }
      throw error;
    }
  },
);

/** A backup that could not be read is not a bad one: only what its bytes say is remembered. */
function isVerdict(failure: ApplicationFailure): boolean {
  return failure.type === 'damaged-object' || failure.type === 'digest-different';
}

function resultOf(run: Run, chosen: Pick<VerifyBackupResult, 'label' | 'repository' | 'level'>, verified: Verified): VerifyBackupResult {
  const { runId, database, startedAtMs } = run;
  return { outcome: 'done', runId, database, warnings: [], ...chosen, ...verified, durationMs: Date.now() - startedAtMs };
}
