import type { Place } from '../activities/catalogue/locate.ts';
import type { ColdBackupInput, ColdBackupResult } from '../contract/cold-backup.ts';
import { outcomeOf } from '../contract/result.ts';
import { type RestartFacts, restartFindings } from '../core/protection/restart-risk.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import {
  type BackedUpOnce,
  type Begun,
  placeOfBackup,
  storeHeld,
  unpinning,
  withCopies,
  withWarnings,
  writeBackup,
} from './backup-steps.ts';
import type { Engine } from './engine.ts';

const CHECKING = 'checking server, repository and timeline';

/**
 * Backs up a log that nobody writes to: the server is stopped once nearly all of its log is stored, and started again when the rest is. A
 * server that is down already stays down.
 */
export async function coldBackup(input: ColdBackupInput, engine: Engine): Promise<ColdBackupResult> {
  const { database, repository, mark } = input;
  const place = await placeOfBackup(engine);
  engine.phase(CHECKING);
  const check = async (): Promise<void> => {
    const { isRunning } = await engine.steps(place).checkColdBackup({ database, repository, mark });
    if (!isRunning) return;
    engine.phase('checking that a restart of the server loses nothing');
    requireRestartSafe(database, await engine.checks(place).surveyRestart({ database }));
  };
  const backedUp = await engine.onceReady(place, check, () => engine.exclusive(place, () => backUpCold(input, engine, place)));
  return withCopies(engine, place, backedUp);
}

async function backUpCold(input: ColdBackupInput, engine: Engine, place: Place): Promise<BackedUpOnce<ColdBackupResult>> {
  const { database, repository, mark } = input;
  engine.phase(CHECKING);
  const startedAtMs = engine.now();
  // Somebody may have stopped or started it while the lock was waited for.
  const { isRunning } = await engine.steps(place).checkColdBackup({ database, repository, mark });
  const begun: Begun = { engine, place, kind: 'cold', startedAtMs, mark };
  return isRunning ? backUpRunning(begun, repository) : backUpStopped(begun, repository);
}

async function backUpRunning(begun: Begun, wanted: string | undefined): Promise<BackedUpOnce<ColdBackupResult>> {
  const { engine, place, kind, startedAtMs, mark } = begun;
  const { database } = engine;
  const prepared = await engine.steps(place).prepareBackup({ database, kind, startedAtMs, repository: wanted, mark });
  const { repository, timeline } = prepared;
  return unpinning(begun, timeline, async () => {
    engine.phase('storing the log while the server runs');
    await engine.lockedTransfers(place).storeAhead({ database, repository });
    engine.phase('stopping the server, storing the rest, and starting it again');
    const { downtimeMs, tailBytes, warnings, ...held } = await engine.swaps(place).storeStopped({ database, repository, timeline });
    const log = await storeHeld(begun, prepared, { timeline, ...held });
    const written = await writeBackup(begun, prepared, withWarnings(log, warnings));
    return { ...written, server: 'restarted', downtimeMs, tailBytes };
  });
}

/** There is no server that could be asked, and nothing that changes. */
async function backUpStopped(
  { engine, place, startedAtMs, mark }: Begun,
  repository: string | undefined,
): Promise<BackedUpOnce<ColdBackupResult>> {
  const { database, runId } = engine;
  engine.phase('storing the log of the server that is down');
  const written = await engine.lockedTransfers(place).backUpStopped({ database, repository, startedAtMs, mark });
  const durationMs = engine.now() - engine.startedAtMs;
  return { outcome: outcomeOf(written.warnings), runId, database, ...written, mark, server: 'left-stopped', durationMs };
}

/** What can't be compared may be lost as well. Fails: restart-unsafe. */
function requireRestartSafe(database: string, facts: RestartFacts): void {
  const risk = restartFindings(database, facts).find(({ severity }) => severity === 'critical' || severity === 'unknown');
  if (risk === undefined) return;
  throw new RstowError('restart-unsafe', `the server was not stopped, for its restart is not safe: ${risk.sentence}`, {
    details: { database, finding: risk.code },
  });
}
