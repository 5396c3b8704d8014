import type { Place } from '../activities/catalogue/locate.ts';
import type { CopiedTo } from '../activities/copy/copy-to-repository.ts';
import type { CopiesWanted } from '../activities/copy/copies-wanted.ts';
import type { DigestedState } from '../activities/backup/digest-state.ts';
import type { PreparedBackup } from '../activities/backup/prepare-backup.ts';
import type { VolumeStored } from '../activities/volume/store-volume.ts';
import { type BackupCopies, type FailedCopy, quorumNotReached, uncopiedWarning } from '../contract/copy-backups.ts';
import type { CompactedLog, HotBackupResult, PinKind } from '../contract/hot-backup.ts';
import type { BackupKind } from '../core/backup/label.ts';
import { type CommonResult, outcomeOf, type Warning } from '../contract/result.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { fillRepository } from './copy-backups.ts';
import type { Engine } from './engine.ts';

/** Where the database's agent is, for a run that can wait for it. Fails: agent-unreachable, unknown-database. */
export async function placeOfBackup(engine: Engine): Promise<Place> {
  const { database } = engine;
  engine.phase('looking for the database’s agent', `the agent that owns ${database}`);
  const place = await engine.places.ownerInTime(database);
  engine.placed(place);
  return place;
}

/** A backup that has its label. `startedAtMs`: when the backup itself began, not its run. */
export type Begun = { engine: Engine; place: Place; kind: BackupKind; startedAtMs: number; mark: string | undefined };

/** Gives the log back to compaction, however the work ends. */
export async function unpinning<T>({ engine, place }: Begun, timeline: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await engine.compensate('unpinning', () => engine.cleanups(place).unpinWal({ database: engine.database, timeline }));
  }
}

/** A log that somebody holds as it is, with the sizes that its segments had at the fence. */
export type HeldLog = { timeline: string; fenceKey: string; pin: PinKind };

/** A log that is stored as it was at the fence. */
export type StoredLog = Omit<HeldLog, 'fenceKey'> & { extentsKey: string; healed: number; state: DigestedState; warnings: Warning[] };

/** Stores what the repository lacks of a held log, and says which state it gives. `whenStored`: the bytes up to the fence are read. */
export async function storeHeld(
  { engine, place }: Begun,
  { repository }: PreparedBackup,
  held: HeldLog & { whenStored?: () => Promise<void> },
): Promise<StoredLog> {
  const { database } = engine;
  const { timeline, fenceKey, pin } = held;
  const transfers = engine.lockedTransfers(place);
  engine.phase('storing what the repository lacks');
  const stored = await transfers.storeSegments({ database, repository, timeline, fenceKey });
  await held.whenStored?.();
  const { extentsKey } = stored;
  engine.phase('replaying for the state’s digest, and comparing with the server');
  const state = await transfers.digestState({ database, repository, fenceKey, extentsKey });
  return { timeline, extentsKey, healed: stored.healed, pin, state, warnings: [...stored.warnings, ...state.warnings] };
}

export const withWarnings = (log: StoredLog, more: readonly Warning[]): StoredLog => ({ ...log, warnings: [...log.warnings, ...more] });

type Written = StoredLog & {
  isRescue?: boolean;
  compacted?: CompactedLog | undefined;
  /** The whole volume, which is stored as well. */
  stored?: VolumeStored | undefined;
};

/** A backup that is in one repository, and says in which others it is to be. */
export type BackedUpOnce<Result extends HotBackupResult = HotBackupResult> = Result & { copying?: CopiesWanted | undefined };

/** Keeps what a new host needs beside the log, and writes the manifest: the backup exists from then on. */
export async function writeBackup(
  { engine, place, kind, startedAtMs, mark }: Begun,
  prepared: PreparedBackup,
  log: Written,
): Promise<BackedUpOnce> {
  const { database, runId } = engine;
  const { repository, label, serverVersion } = prepared;
  const { timeline, extentsKey, pin, state, compacted, stored } = log;
  const steps = engine.steps(place);
  engine.phase('keeping machines and server config');
  const withSnapshots = state.restorable === 'no' || log.isRescue === true;
  const kept = await engine.lockedTransfers(place).storeAttachments({ database, repository, label, withSnapshots });
  engine.phase('writing the manifest');
  const warnings = [...prepared.warnings, ...log.warnings, ...kept.warnings];
  const attachments = stored === undefined ? kept.attachments : [...kept.attachments, stored.attachment];
  const facts = { startedAtMs, serverVersion, extentsKey, pin, state, attachments, volume: stored?.volume, warnings, mark };
  const { warnings: written, ...summary } = await steps.writeManifest({ database, repository, label, kind, timeline, ...facts });
  if (log.healed > 0) await steps.closeHealed({ database, repository, timeline, atMs: engine.now() });
  const durationMs = engine.now() - engine.startedAtMs;
  const all = [...warnings, ...written];
  return { outcome: outcomeOf(all), runId, database, warnings: all, ...summary, mark, compacted, durationMs };
}

/**
 * Fills the other repositories with what a backup has stored in one, side by side. The log is unpinned and the lock free by then: nobody
 * waits for a slow repository. Fails: quorum-not-reached; the backup stays where it is.
 */
export async function withCopies<Result extends CommonResult>(engine: Engine, place: Place, backedUp: Result): Promise<Result> {
  const { label, copies, warnings: failed, result } = await copyToOthers(engine, place, backedUp);
  if (copies === undefined) return result;
  if (copies.stored < copies.quorum) throw quorumNotReached({ database: engine.database, label }, copies);
  const warnings = [...result.warnings, ...failed];
  return { ...result, outcome: outcomeOf(warnings), warnings, copies, durationMs: engine.now() - engine.startedAtMs };
}

type Copied<Result> = { label: string; copies: BackupCopies | undefined; warnings: Warning[]; result: Result };

/** The same, whatever comes of it. */
export async function copyToOthers<Result extends CommonResult>(engine: Engine, place: Place, backedUp: Result): Promise<Copied<Result>> {
  const { copying, ...rest } = backedUp as Result & BackedUpOnce;
  const result = rest as unknown as Result;
  const { repository: from, label, mark } = rest;
  if (copying === undefined || from === undefined || label === undefined) return { label: '', copies: undefined, warnings: [], result };
  const { database } = engine;
  const { others, quorum } = copying;
  engine.phase(`copying ${label} to ${others.join(', ')}`);
  const backup = { label, mark };
  const copied = others.map((to) => failureToCopy(to, () => fillRepository(engine, place, { database, from, to, backup })));
  const failed = (await Promise.all(copied)).filter((failure) => failure !== undefined);
  const copies = { stored: 1 + others.length - failed.length, wanted: 1 + others.length, quorum, failed };
  return { label, copies, warnings: failed.map(uncopiedWarning), result };
}

/** Undefined if the repository has all of the backup. */
async function failureToCopy(repository: string, copy: () => Promise<CopiedTo>): Promise<FailedCopy | undefined> {
  try {
    const [failure] = (await copy()).failures;
    return failure === undefined ? undefined : { repository, code: failure.code, message: failure.message };
  } catch (error) {
    if (!(error instanceof RstowError) || error.code === 'cancelled') throw error;
    return { repository, code: error.code, message: error.message };
  }
}
