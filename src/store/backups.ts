import { labelClaimSchema } from '../formats/repository/label-claim.ts';
import { type Manifest, manifestSchema } from '../formats/repository/manifest.ts';
import { summariseExtents } from '../core/backup/extents-summary.ts';
import { type BackupPosition, positionKey, positionOfKey } from '../core/backup/backup-position.ts';
import { orderBackups, type PlacedBackup } from '../core/backup/history.ts';
import { promisedExtents } from '../core/backup/segment-plan.ts';
import { selectBackup, type Selectable } from '../core/backup/selection.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { backupsPrefix, labelOfManifestKey, manifestKey } from '../core/repository/object-keys.ts';
import { lineageOf, type TimelineNode } from '../core/repository/timeline-lineage.ts';
import { parseWalOffset } from '../core/wal/wal-offset.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import { inEachRepository, type StoreDeps } from './each-repository.ts';
import { findOwner } from './ownership.ts';
import { readTimelines } from './timelines.ts';
import { unlessUnreadable } from './unless-unreadable.ts';

export type StoredBackups = {
  /** The newest first: of the history in use, then those of abandoned ones. @see orderBackups */
  backups: PlacedBackup[];
  /** Labels whose manifest can't be read and whose place nothing else tells. */
  unplaced: string[];
};

/** All that can be named, the newest first. */
export function selectable({ backups, unplaced }: StoredBackups): Selectable {
  return [...backups, ...unplaced.map((label) => ({ label, isInUse: false }))];
}

/** The backups that one repository holds, in the order of the history. Reads no manifest whose place its name tells. */
export async function readBackupHistory(deps: StoreDeps, repository: Repository, database: string): Promise<StoredBackups> {
  const { positions, unplaced } = await readPositions(repository, database);
  const { owner } = await findOwner(deps, database);
  const timelines = await timelinesOf(deps, { repository, database, inUse: owner?.timeline });
  return { backups: orderBackups(positions, timelines, owner?.timeline), unplaced };
}

/** A repository that was away when the history in use began doesn't know it yet: another one does. */
async function timelinesOf(
  deps: StoreDeps,
  of: { repository: Repository; database: string; inUse: string | undefined },
): Promise<ReadonlyMap<string, TimelineNode>> {
  const own = await readTimelines(of.repository, of.database);
  if (of.inUse === undefined || lineageOf(own, of.inUse) !== undefined) return own;
  const { answers } = await inEachRepository(deps, of.database, (repository) => readTimelines(repository, of.database));
  return new Map([...answers.flatMap(({ found }) => [...found]), ...own]);
}

/** Where each backup stands: a manifest makes it exist, and a name beside it tells its place. */
export async function readPositions(
  repository: Repository,
  database: string,
): Promise<{ positions: BackupPosition[]; unplaced: string[] }> {
  const told = new Map<string, BackupPosition[]>();
  const labels: string[] = [];
  for await (const key of repository.keys(backupsPrefix(database))) {
    const position = positionOfKey(key);
    if (position !== undefined) told.set(position.label, [...(told.get(position.label) ?? []), position]);
    const label = labelOfManifestKey(key);
    if (label !== undefined) labels.push(label);
  }
  const positions: BackupPosition[] = [];
  const unplaced: string[] = [];
  for (const label of labels) {
    const [only, ...others] = told.get(label) ?? [];
    // Several: a step that was tried again has left one of an earlier attempt.
    const position = only !== undefined && others.length === 0 ? only : await positionByManifest(repository, database, label);
    if (position === undefined) unplaced.push(label);
    else positions.push(position);
  }
  return { positions, unplaced };
}

async function positionByManifest(repository: Repository, database: string, label: string): Promise<BackupPosition | undefined> {
  const manifest = await readableManifest(repository, database, label);
  return manifest === undefined ? undefined : positionOf(manifest);
}

export function positionOf({ label, timeline, segments, writtenAtMs }: Manifest): BackupPosition {
  const { end, sizeBytes } = summariseExtents(promisedExtents(segments));
  return { label, timeline, end: parseWalOffset(end) as BackupPosition['end'], sizeBytes, writtenAtMs };
}

/**
 * Makes the backup exist: its place first, then the manifest. Fails: label-taken, where another run has written one
 * under that label. Twice: the first manifest stands, and is given.
 */
export async function putManifest(repository: Repository, manifest: Manifest): Promise<Manifest> {
  const { database, label, runId } = manifest;
  const there = await readSealed(repository, manifestKey(database, label), manifestSchema);
  if (there === undefined) {
    const claim = { schema: labelClaimSchema, value: { format: 1 as const, runId } };
    await putSealed(repository, positionKey(database, positionOf(manifest)), claim);
    const put = await putSealed(repository, manifestKey(database, label), { schema: manifestSchema, value: manifest });
    return put === 'stored' ? manifest : putManifest(repository, manifest);
  }
  if (there.runId === runId) return there;
  throw new RstowError('label-taken', `run ${there.runId} has written backup "${label}" already`, { details: { label } });
}

/** The manifest of `latest`, a label, or a label's unique beginning. Fails: backup-not-found, damaged-object. */
export async function findBackup(deps: StoreDeps, of: { repository: Repository; database: string }, wanted: string): Promise<Manifest> {
  const { repository, database } = of;
  const label = selectBackup(selectable(await readBackupHistory(deps, repository, database)), wanted);
  return readManifest(repository, database, label);
}

/** Fails: backup-not-found, damaged-object (it is not whole, or says that it is another backup's). */
export async function readManifest(repository: Repository, database: string, label: string): Promise<Manifest> {
  const key = manifestKey(database, label);
  const manifest = await readSealed(repository, key, manifestSchema);
  if (manifest === undefined) throw new RstowError('backup-not-found', `backup "${label}" is gone`, { details: { key } });
  if (manifest.database === database && manifest.label === label) return manifest;
  const owner = `database "${manifest.database}", backup "${manifest.label}"`;
  throw new RstowError('damaged-object', `${key} belongs to ${owner}`, { details: { key } });
}

/** Undefined where it is damaged, of a newer version, or gone by now. */
export async function readableManifest(repository: Repository, database: string, label: string): Promise<Manifest | undefined> {
  try {
    return await unlessUnreadable(readManifest(repository, database, label));
  } catch (error) {
    if (error instanceof RstowError && error.code === 'backup-not-found') return undefined;
    throw error;
  }
}

/** The newest readable backup of a timeline's history by another run: what it says of ranges needn't be read again. */
export async function newestOfTimeline(
  repository: Repository,
  database: string,
  wanted: { timeline: string; exceptRunId: string },
): Promise<Manifest | undefined> {
  const { positions } = await readPositions(repository, database);
  const ordered = orderBackups(positions, await readTimelines(repository, database), wanted.timeline);
  for (const { label } of ordered.filter(({ isInUse }) => isInUse)) {
    const manifest = await readableManifest(repository, database, label);
    if (manifest !== undefined && manifest.runId !== wanted.exceptRunId) return manifest;
  }
  return undefined;
}
