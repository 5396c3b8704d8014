import type { Place } from '../activities/catalogue/locate.ts';
import type { PreparedBackup } from '../activities/backup/prepare-backup.ts';
import { type HotBackupInput, type HotBackupResult, noBackupYet } from '../contract/hot-backup.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { RstowError, sentenceOf } from '../core/errors/rstow-error.ts';
import type { BackedUp, Engine } from './engine.ts';

const CHECKING = 'checking server, repository and timeline';

/** Backs up a running server: nobody waits for it, and nothing that was acknowledged before its fence is missing. */
export async function hotBackup(input: HotBackupInput, engine: Engine): Promise<HotBackupResult> {
  const { database, repository, mark } = input;
  engine.phase('looking for the database’s agent', `the agent that owns ${database}`);
  const place = await engine.places.ownerInTime(database);
  engine.placed(place);
  engine.phase(CHECKING);
  const check = (): Promise<void> => engine.steps(place).checkBackup({ database, repository, mark });
  return engine.onceReady(place, check, () => engine.exclusive(place, () => backUp(input, engine, place)));
}

/** The exclusive part: whoever calls it holds the database's lock. */
export async function backUp({ database, repository, mark }: HotBackupInput, engine: Engine, place: Place): Promise<HotBackupResult> {
  engine.phase(CHECKING);
  // Now, not when the run began: it may have waited for days, or have been reset.
  const startedAtMs = engine.now();
  const prepared = await engine.steps(place).prepareBackup({ database, startedAtMs, repository, mark });
  try {
    return await storePinned({ engine, place, startedAtMs, mark }, prepared);
  } finally {
    await engine.compensate('unpinning', () => engine.cleanups(place).unpinWal({ database, timeline: prepared.timeline }));
  }
}

type Begun = { engine: Engine; place: Place; startedAtMs: number; mark: string | undefined };

async function storePinned({ engine, place, startedAtMs, mark }: Begun, prepared: PreparedBackup): Promise<HotBackupResult> {
  const { database, runId } = engine;
  const { repository, label, timeline, serverVersion } = prepared;
  const steps = engine.steps(place);
  const transfers = engine.lockedTransfers(place);
  engine.phase('pinning the segments');
  const { fenceKey, pin } = await steps.pinWal({ database, repository, timeline });
  engine.phase('storing what the repository lacks');
  const stored = await transfers.storeSegments({ database, repository, timeline, fenceKey });
  const { extentsKey } = stored;
  engine.phase('replaying for the state’s digest, and comparing with the server');
  const state = await transfers.digestState({ database, repository, fenceKey, extentsKey });
  engine.phase('keeping machines and server config');
  const withSnapshots = state.restorable === 'no';
  const kept = await transfers.storeAttachments({ database, repository, label, withSnapshots });
  engine.phase('writing the manifest');
  const warnings = [...prepared.warnings, ...stored.warnings, ...state.warnings, ...kept.warnings];
  const facts = { startedAtMs, serverVersion, extentsKey, pin, state, attachments: kept.attachments, warnings, mark };
  const { warnings: written, ...summary } = await steps.writeManifest({ database, repository, label, timeline, ...facts });
  if (stored.healed > 0) await steps.closeHealed({ database, repository, atMs: engine.now() });
  const durationMs = engine.now() - engine.startedAtMs;
  const all = [...warnings, ...written];
  return { outcome: outcomeOf(all), runId, database, warnings: all, ...summary, mark, durationMs };
}

/** The first backup of a history that has just begun. */
export async function firstBackup(engine: Engine, place: Place, repository: string): Promise<BackedUp> {
  return engine.firstBackup(() => {
    engine.phase('taking the first backup of the new history');
    return backUpInPlace(engine, place, { repository, otherwise: noBackupYet(engine.database) });
  });
}

type Unbacked = { repository: string | undefined; /** What is true as long as there is no such backup. */ otherwise: string };

/** Backs up data that are in place by now: so its failure, or an end that was asked for meanwhile, is a warning. */
export async function backUpInPlace(engine: Engine, place: Place, { repository, otherwise }: Unbacked): Promise<BackedUp> {
  const { database } = engine;
  try {
    const { label, piecesStored, bytesStored, warnings } = await backUp({ database, repository }, engine, place);
    if (label === undefined || piecesStored === undefined || bytesStored === undefined) return { warnings };
    return { firstBackup: { label, piecesStored, bytesStored }, warnings };
  } catch (error) {
    return { warnings: [unbacked(engine, otherwise, error)] };
  }
}

function unbacked(engine: Engine, otherwise: string, error: unknown): Warning {
  if (error instanceof RstowError) return { code: error.code, message: `${otherwise}. ${sentenceOf(error)}` };
  if (engine.isCancelled(error)) return { code: 'cancelled', message: otherwise };
  return { code: 'bug', message: `${otherwise}. ${String(error)}` };
}
