import type { Place } from '../activities/catalogue/locate.ts';
import type { RecordVerificationInput } from '../activities/verify/verify-backup.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import type { VerifyBackupInput, VerifyBackupResult } from '../contract/verify-backup.ts';
import { isVerdictOnBackup } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { failedOf, namingAlternative } from './alternative.ts';
import type { Engine } from './engine.ts';

const DEFAULT_LEVEL = 'replay';

/** Reads a whole backup and compares it with what its manifest promises; remembers the answer, good or bad. */
export async function verifyBackup(input: VerifyBackupInput, engine: Engine): Promise<VerifyBackupResult> {
  const { database, backup = 'latest', level = DEFAULT_LEVEL, repository: wantedRepository } = input;
  engine.phase('looking for an agent', `an agent that serves ${database}`);
  const place = await engine.places.anywhere(database, wantedRepository);
  engine.placed(place);
  const wanted = { database, backup, repository: wantedRepository };
  return namingAlternative(engine, { place, wanted }, async () => {
    const { label, repository } = await engine.steps(place).chooseBackup(wanted);
    return verifyAndRemember(engine, place, { label, repository, level });
  });
}

type Chosen = Pick<VerifyBackupResult, 'label' | 'repository' | 'level'>;

/** The failure is remembered, too. Fails: as the verification does. */
export async function verifyAndRemember(engine: Engine, place: Place, chosen: Chosen): Promise<VerifyBackupResult> {
  const { database, runId, startedAtMs } = engine;
  const { label, repository, level } = chosen;
  engine.phase(`verifying ${label}: ${level}`);
  const remember = (answer: Answer): Promise<Warning[]> =>
    engine.steps(place).recordVerification({ database, repository, fact: { label, level, atMs: engine.now(), ...answer } });
  try {
    const verified = await engine.transfers(place).verifyStoredBackup({ database, repository, label, level });
    const warnings = [...verified.warnings, ...(await remember({ held: true }))];
    const durationMs = engine.now() - startedAtMs;
    return { outcome: outcomeOf(warnings), runId, database, ...chosen, ...verified, warnings, durationMs };
  } catch (error) {
    if (error instanceof RstowError && isVerdictOnBackup(error.code)) {
      await engine.compensate('remembering the verdict', () => remember({ held: false, failure: failedOf(error) }));
    }
    throw error;
  }
}

type Answer = Pick<RecordVerificationInput['fact'], 'held' | 'failure'>;
