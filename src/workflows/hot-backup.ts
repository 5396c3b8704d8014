import type { Place } from '../activities/catalogue/locate.ts';
import type { PreparedBackup } from '../activities/backup/prepare-backup.ts';
import { type CompactedLog, type HotBackupInput, type HotBackupResult, noBackupYet } from '../contract/hot-backup.ts';
import type { Warning } from '../contract/result.ts';
import { RstowError, sentenceOf } from '../core/errors/rstow-error.ts';
import {
  type BackedUpOnce,
  type Begun,
  copyToOthers,
  placeOfBackup,
  type StoredLog,
  storeHeld,
  unpinning,
  withCopies,
  withWarnings,
  writeBackup,
} from './backup-steps.ts';
import type { BackedUp, Engine } from './engine.ts';

const CHECKING = 'checking server, repository and timeline';

/** Backs up a running server: nobody waits for it, and nothing that was acknowledged before its fence is missing. */
export async function hotBackup(input: HotBackupInput, engine: Engine): Promise<HotBackupResult> {
  const { database, repository, mark, compact } = input;
  const place = await placeOfBackup(engine);
  engine.phase(CHECKING);
  const check = (): Promise<void> => engine.steps(place).checkBackup({ database, repository, mark, compact });
  const backedUp = await engine.onceReady(place, check, () => engine.exclusive(place, () => backUp(input, engine, place)));
  return withCopies(engine, place, backedUp);
}

/** The exclusive part: whoever calls it holds the database's lock. */
export async function backUp({ database, repository, mark, compact }: HotBackupInput, engine: Engine, place: Place): Promise<BackedUpOnce> {
  engine.phase(CHECKING);
  // Now, not when the run began: it may have waited for days, or have been reset.
  const startedAtMs = engine.now();
  const prepared = await engine.steps(place).prepareBackup({ database, kind: 'hot', startedAtMs, repository, mark });
  const begun: Begun = { engine, place, kind: 'hot', startedAtMs, mark };
  return unpinning(begun, prepared.timeline, async () => {
    const log = await storePinned(begun, prepared, prepared.timeline);
    const compacted = compact === true ? await compactStored(begun) : undefined;
    const rescued = log.state.restorable === 'no' ? await rescue(begun, prepared, log) : undefined;
    if (rescued?.timeline === undefined) return writeBackup(begun, prepared, { ...withWarnings(log, rescued?.warnings ?? []), compacted });
    const { timeline, warnings } = rescued;
    return unpinning(begun, timeline, async () =>
      writeBackup(begun, prepared, { ...withWarnings(await storePinned(begun, prepared, timeline), warnings), isRescue: true, compacted }),
    );
  });
}

async function storePinned(begun: Begun, prepared: PreparedBackup, timeline: string): Promise<StoredLog> {
  const { engine, place } = begun;
  engine.phase('pinning the segments');
  const pinned = await engine.steps(place).pinWal({ database: engine.database, repository: prepared.repository, timeline });
  return storeHeld(begun, prepared, { timeline, ...pinned });
}

/** What a COMPACT deletes is stored by now, and pinned. */
async function compactStored({ engine, place }: Begun): Promise<CompactedLog> {
  engine.phase('letting the server compact, and linking back what it deletes');
  return engine.lockedTransfers(place).compactServer({ database: engine.database });
}

/**
 * Lets a log from which no server can start begin anew, with what the server shows. Without a timeline if that can't be: a backup that can't
 * be restored is better evidence than none.
 */
async function rescue(
  { engine, place }: Begun,
  { repository, label }: PreparedBackup,
  { timeline, extentsKey }: StoredLog,
): Promise<{ timeline?: string; warnings: Warning[] }> {
  engine.phase('rescuing: the log can’t be restored, so the server’s state is read');
  try {
    const input = { database: engine.database, repository, timeline, extentsKey, label };
    return (await engine.lockedTransfers(place).rescueLog(input)) ?? { warnings: [] };
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    return {
      warnings: [
        { code: error.code, message: `the server’s state could not be read in place of the log that is lost: ${sentenceOf(error)}` },
      ],
    };
  }
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
    const backedUp = await backUp({ database, repository }, engine, place);
    const { label, piecesStored, bytesStored } = backedUp;
    const warnings = [...backedUp.warnings, ...(await uncopied(engine, place, backedUp))];
    if (label === undefined || piecesStored === undefined || bytesStored === undefined) return { warnings };
    return { firstBackup: { label, piecesStored, bytesStored }, warnings };
  } catch (error) {
    return { warnings: [unbacked(engine, otherwise, error)] };
  }
}

/** Where the backup could not be copied to. */
async function uncopied(engine: Engine, place: Place, backedUp: BackedUpOnce): Promise<Warning[]> {
  try {
    return (await copyToOthers(engine, place, backedUp)).warnings;
  } catch (error) {
    return [unbacked(engine, `backup ${backedUp.label ?? ''} was not copied to the other repositories`, error)];
  }
}

function unbacked(engine: Engine, otherwise: string, error: unknown): Warning {
  if (error instanceof RstowError) return { code: error.code, message: `${otherwise}. ${sentenceOf(error)}` };
  if (engine.isCancelled(error)) return { code: 'cancelled', message: otherwise };
  return { code: 'bug', message: `${otherwise}. ${String(error)}` };
}
