import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { RecordVerificationInput } from '../activities/verify/record-verification.ts';
import type { Verified } from '../activities/verify/verification.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { parseVerifyBackupInput, type VerifyBackupInput, type VerifyBackupResult } from '../contract/verify-backup.ts';
import { isVerdictOnBackup } from '../core/errors/object-damage.ts';
import { step, transfer } from './activity-proxies.ts';
import { damagedKeyOf, withAlternative } from './alternative.ts';
import { compensate } from './compensation.ts';
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
    const wanted = { database, backup, ...(input.repository === undefined ? {} : { repository: input.repository }) };
    try {
      const { label, repository } = await step(place).chooseBackup(wanted);
      return await verifyChosen(run, place, { label, repository, level });
    } catch (error) {
      throw await withAlternative(place, wanted, error);
    }
  },
);

type Chosen = Pick<VerifyBackupResult, 'label' | 'repository' | 'level'>;

async function verifyChosen(run: Run, place: Place, chosen: Chosen): Promise<VerifyBackupResult> {
  const { database } = run;
  const { label, repository, level } = chosen;
  run.phase(`verifying ${label}: ${level}`);
  const remember = (answer: Answer): Promise<Warning[]> =>
    step(place).recordVerification({ database, repository, fact: { label, level, atMs: Date.now(), ...answer } });
  try {
    const verified = await transfer(place).verifyStoredBackup({ database, repository, label, level });
    return resultOf(run, chosen, { ...verified, warnings: [...verified.warnings, ...(await remember({ held: true }))] });
  } catch (error) {
    const failure = runFailure(error);
    if (failure instanceof ApplicationFailure && !isCancellation(error) && isVerdictOnBackup(failure.type)) {
      const key = damagedKeyOf(failure);
      const told = { code: failure.type ?? 'failed', sentence: failure.message, ...(key === undefined ? {} : { key }) };
      await compensate('remembering the verdict', () => remember({ held: false, failure: told }));
    }
    throw error;
  }
}

type Answer = Pick<RecordVerificationInput['fact'], 'held' | 'failure'>;

function resultOf(run: Run, chosen: Chosen, found: Verified): VerifyBackupResult {
  const { runId, database, startedAtMs } = run;
  return { outcome: outcomeOf(found.warnings), runId, database, ...chosen, ...found, durationMs: Date.now() - startedAtMs };
}
