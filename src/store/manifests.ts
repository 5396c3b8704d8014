import { type Ancestor, isPartOf, lineageOf, orderBackups, type PlacedBackup, type TimelineNode } from '../core/backup/history.ts';
import { type BackupPosition, indexPrefix, positionKey, positionOfKey, timelineIndexPrefix } from '../core/backup/label.ts';
import { promisedExtents, summariseExtents } from '../core/backup/segment-plan.ts';
import { type Selectable, selectBackup } from '../core/backup/selection.ts';
import { isUnreadable } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import {
  backupsPrefix,
  labelOfClaimKey,
  labelOfFolder,
  labelOfManifestKey,
  labelsPrefix,
  manifestKey,
} from '../core/repository/object-keys.ts';
import { walPrefix } from '../core/repository/piece.ts';
import { parseWalOffset } from '../core/wal/wal-offset.ts';
import type { SeenBackup } from '../formats/agent-state.ts';
import { type Manifest, manifestSchema } from '../formats/repository/manifest.ts';
import type { Repository } from '../io/repository/port.ts';
import { readSealed } from '../io/repository/sealed-object.ts';
import { remembered } from '../io/repository/wrap/recall.ts';

/** One database in one repository, and what is known of its history in all of them. */
export type BackupScope = {
  repository: Repository;
  database: string;
  /** The timeline that the owner's claim names; undefined if nobody owns the database. */
  timelineInUse: () => Promise<string | undefined>;
  /** As this repository has them, for the sake of one. */
  timelines: (timeline: string) => Promise<ReadonlyMap<string, TimelineNode>>;
  /** The newest backup that this installation knows to have been here. */
  seen: { recall(): Promise<SeenBackup | undefined>; remember(backup: SeenBackup): Promise<void> };
  /** As any repository does, if this one doesn't know the one in use. */
  allTimelines: (inUse: string | undefined) => Promise<ReadonlyMap<string, TimelineNode>>;
};

export type StoredBackups = {
  /** The newest first: of the history in use, then those of abandoned ones. @see orderBackups */
  backups: PlacedBackup[];
  /** Labels whose manifest can't be read and whose place nothing else says. */
  unplaced: string[];
};

const LABEL = /^(?!latest$)[A-Za-z0-9][A-Za-z0-9_-]*$/;

/**
 * The manifest of `latest`, a label, or a label's unique beginning; `backups` lists them all.
 * Fails: backup-not-found, damaged-object, format-unsupported.
 */
export async function findManifest(scope: BackupScope, backups: () => Promise<Selectable>, wanted: string): Promise<Manifest> {
  const latest = wanted === 'latest' ? await findLatest(scope) : undefined;
  return latest ?? findNamed(scope, await backups(), wanted);
}

/** A whole label is read though the index lacks it; one that the index names, and that is gone, is passed over. */
async function findNamed(scope: BackupScope, backups: Selectable, wanted: string): Promise<Manifest> {
  const whole = LABEL.test(wanted) ? await manifestIfThere(scope, wanted) : undefined;
  if (whole !== undefined) return whole;
  const others = backups.filter(({ label }) => label !== wanted);
  const chosen = selectBackup(others, wanted);
  const remaining = others.filter(({ label }) => label !== chosen);
  return (await manifestIfThere(scope, chosen)) ?? findNamed(scope, remaining, wanted);
}

/** Undefined if it is gone. Fails: damaged-object, format-unsupported. */
async function manifestIfThere({ repository, database }: BackupScope, label: string): Promise<Manifest | undefined> {
  const state = await manifestState(repository, database, label);
  if (state.kind === 'unreadable') throw state.error;
  return state.kind === 'read' ? state.manifest : undefined;
}

/** Fails: backup-not-found, format-unsupported, damaged-object (it is not whole, or says that it is another backup's). */
export async function readManifest(repository: Repository, database: string, label: string): Promise<Manifest> {
  const key = manifestKey(database, label);
  const manifest = await readSealed(repository, key, manifestSchema);
  if (manifest === undefined) throw new RstowError('backup-not-found', `backup "${label}" is gone`, { details: { key } });
  if (manifest.database === database && manifest.label === label) return manifest;
  const owner = `database "${manifest.database}", backup "${manifest.label}"`;
  throw new RstowError('damaged-object', `${key} belongs to ${owner}`, { details: { key } });
}

/** `unreadable`: it is damaged, or of a newer rstow; the error says which. */
export type ManifestState = { kind: 'read'; manifest: Manifest } | { kind: 'unreadable'; error: RstowError } | { kind: 'absent' };

/** What is there of a backup. Fails: repository-unavailable. */
export async function manifestState(repository: Repository, database: string, label: string): Promise<ManifestState> {
  try {
    return { kind: 'read', manifest: await readManifest(repository, database, label) };
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    if (error.code === 'backup-not-found') return { kind: 'absent' };
    if (isUnreadable(error.code)) return { kind: 'unreadable', error };
    throw error;
  }
}

/** Undefined if it is damaged, of a newer version, or gone by now. */
export async function readableManifest(repository: Repository, database: string, label: string): Promise<Manifest | undefined> {
  const state = await manifestState(repository, database, label);
  return state.kind === 'read' ? state.manifest : undefined;
}

/** Without listing all backups; undefined if the index doesn't say. Fails: damaged-object, format-unsupported. */
async function findLatest(scope: BackupScope): Promise<Manifest | undefined> {
  const { repository, database, timelineInUse, allTimelines } = scope;
  const inUse = await timelineInUse();
  const lineage = inUse === undefined ? undefined : lineageOf(await allTimelines(inUse), inUse);
  for await (const position of newestFirst(repository, database, { lineage: lineage ?? [] })) {
    const manifest = await manifestIfThere(scope, position.label);
    if (manifest === undefined || !isPlaceOf(manifest, position)) continue;
    if ((await findRollback(scope, manifest)) === undefined) await noteSeen(scope, manifest);
    return manifest;
  }
  return undefined;
}

/** A name says how new a backup is, and only its manifest proves it: an old one must not pass for the newest by another name. */
export function isPlaceOf(manifest: Manifest, position: BackupPosition): boolean {
  return positionKey(manifest.database, positionOf(manifest)) === positionKey(manifest.database, position);
}

/** An import is no newer than what it was made of, and may be removed again. */
export async function noteSeen({ seen }: Pick<BackupScope, 'seen'>, { label, writtenAtMs, imported }: Manifest): Promise<void> {
  if (imported === undefined) await seen.remember({ label, writtenAtMs });
}

/**
 * The newest backup that was here, if it isn't any more: somebody has put an older state of the repository back, or has removed backups.
 * `newest` is one that is there.
 */
export async function findRollback(
  { repository, database, seen }: Pick<BackupScope, 'repository' | 'database' | 'seen'>,
  newest: Manifest | undefined,
): Promise<SeenBackup | undefined> {
  const known = await seen.recall();
  if (known === undefined || known.label === newest?.label) return undefined;
  return (await manifestState(repository, database, known.label)).kind === 'absent' ? known : undefined;
}

export type NewestWanted = {
  timeline: string;
  exceptRunId: string;
  /** Also one that still has what the timeline's baseline stands for, if there is no newer one. */
  isBeforeBaseline?: boolean;
  /** What this process remembers will do, where calls cost: for the owner's own backups, which say what needn't be stored again. */
  recalls?: boolean;
};

/** Backups of a timeline come from its owner's own process: where calls cost, it knows them. */
const INDEX_RECALLED_MS = 3_600_000;

/** More are not looked at: that is a page of a listing. */
const LABELS_MAX = 1000;

/** Whether a backup of that label is among the newest of the timeline, as far as is known without asking. */
export async function isKnownLabel(
  { repository, database }: Pick<BackupScope, 'repository' | 'database'>,
  timeline: string,
  label: string,
): Promise<boolean> {
  let seen = 0;
  for await (const key of repository.keys(timelineIndexPrefix(database, timeline), { recalledMs: INDEX_RECALLED_MS })) {
    if (positionOfKey(key)?.label === label) return true;
    if ((seen += 1) === LABELS_MAX) break;
  }
  return false;
}

export async function findNewest(
  { repository, database, timelines }: Pick<BackupScope, 'repository' | 'database' | 'timelines'>,
  { timeline, exceptRunId, isBeforeBaseline = false, recalls = false }: NewestWanted,
): Promise<Manifest | undefined> {
  const lineage = lineageOf(await timelines(timeline), timeline) ?? [];
  const ancestors = lineage.filter(({ behind }) => isBeforeBaseline || behind === undefined);
  const known = recalls ? remembered(repository) : repository;
  const recalledMs = recalls ? INDEX_RECALLED_MS : 0;
  for await (const position of newestFirst(repository, database, { lineage: ancestors, recalledMs })) {
    const manifest = await readableManifest(known, database, position.label);
    if (manifest !== undefined && manifest.runId !== exceptRunId && isPlaceOf(manifest, position)) return manifest;
  }
  return undefined;
}

export async function readHistory({ repository, database, timelineInUse, allTimelines }: BackupScope): Promise<StoredBackups> {
  const { positions, unplaced } = await readPositions(repository, database);
  const inUse = await timelineInUse();
  return { backups: orderBackups(positions, await allTimelines(inUse), inUse), unplaced };
}

export type Positions = {
  positions: BackupPosition[];
  /** Labels whose manifest can't be read and whose place nothing else says. */
  unplaced: string[];
};

/**
 * Where each backup stands. The index names them all in one flat listing. Its names are written before the manifests, which
 * make backups exist: whether there is one is asked of the labels that a run holds, or held when it was killed, and of
 * folders that the index doesn't know.
 */
export async function readPositions(repository: Repository, database: string): Promise<Positions> {
  const named = new Map<string, BackupPosition[]>();
  for await (const key of repository.keys(indexPrefix(database))) {
    const position = positionOfKey(key);
    if (position !== undefined) named.set(position.label, [...(named.get(position.label) ?? []), position]);
  }
  const claimed = new Set<string | undefined>();
  for await (const key of repository.keys(labelsPrefix(database))) claimed.add(labelOfClaimKey(key));
  const found: Positions = { positions: [], unplaced: [] };
  for (const [label, [only, ...others]] of named) {
    // Several: a step that was tried again has left one of an earlier attempt.
    const isCertain = only !== undefined && others.length === 0 && !claimed.has(label);
    if (isCertain) found.positions.push(only);
    else await placeByManifest({ repository, database, found }, label, others.length === 0 ? only : undefined);
  }
  for await (const folder of repository.keys(backupsPrefix(database), { folded: true })) {
    const label = labelOfFolder(folder);
    if (label !== undefined && !named.has(label)) await placeByManifest({ repository, database, found }, label, undefined);
  }
  return found;
}

type Placing = { repository: Repository; database: string; found: Positions };

async function placeByManifest({ repository, database, found }: Placing, label: string, named: BackupPosition | undefined): Promise<void> {
  const state = await manifestState(repository, database, label);
  if (state.kind === 'absent') return;
  const position = state.kind === 'read' ? positionOf(state.manifest) : named;
  if (position === undefined) found.unplaced.push(label);
  else found.positions.push(position);
}

export function positionOf({ label, timeline, segments, writtenAtMs }: Manifest): BackupPosition {
  const { end, sizeBytes } = summariseExtents(promisedExtents(segments));
  return { label, timeline, end: parseWalOffset(end) as BackupPosition['end'], sizeBytes, writtenAtMs };
}

/**
 * The backups of a history, the newest first, of which the first are found by the first page of a listing. A name whose
 * manifest was never written may be among them. Nothing, if the repository has no index.
 */
export async function* newestFirst(
  repository: Repository,
  database: string,
  { lineage, recalledMs }: { lineage: readonly Ancestor[]; recalledMs?: number },
): AsyncGenerator<BackupPosition, void> {
  for (const ancestor of lineage) {
    let tied: BackupPosition[] = [];
    for await (const key of repository.keys(timelineIndexPrefix(database, ancestor.timeline), { recalledMs })) {
      const position = positionOfKey(key);
      if (position === undefined || !isPartOf(position, ancestor)) continue;
      if (tied[0] !== undefined && !isTied(tied[0], position)) {
        yield* latestLabelFirst(tied);
        tied = [];
      }
      tied.push(position);
    }
    yield* latestLabelFirst(tied);
  }
}

function isTied(one: BackupPosition, other: BackupPosition): boolean {
  return one.end === other.end && one.sizeBytes === other.sizeBytes && one.writtenAtMs === other.writtenAtMs;
}

function latestLabelFirst(tied: readonly BackupPosition[]): BackupPosition[] {
  return [...tied].sort((one, other) => (one.label < other.label ? 1 : -1));
}

/** What an object is to a database's backups: a manifest, or something else that one may need; undefined for any other. */
export function partOfBackups(database: string, key: string): { manifestOf: string | undefined } | undefined {
  if (![backupsPrefix(database), walPrefix(database)].some((prefix) => key.startsWith(prefix))) return undefined;
  return { manifestOf: labelOfManifestKey(key) };
}
