import { promisedExtents, summariseExtents } from '../core/backup/segment-plan.ts';
import { type BackupPosition, indexPrefix, positionOfKey, timelineIndexPrefix } from '../core/backup/label.ts';
import { type Ancestor, isPartOf } from '../core/backup/history.ts';
import { backupsPrefix, labelOfClaimKey, labelOfFolder, labelsPrefix } from '../core/repository/object-keys.ts';
import { parseWalOffset } from '../core/wal/wal-offset.ts';
import type { Manifest } from '../formats/repository/manifest.ts';
import type { Repository } from '../io/repository/port.ts';
import { manifestState } from './manifests.ts';

export type Positions = {
  positions: BackupPosition[];
  /** Labels whose manifest can't be read and whose place nothing else tells. */
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
  lineage: readonly Ancestor[],
): AsyncGenerator<BackupPosition, void> {
  for (const ancestor of lineage) {
    let tied: BackupPosition[] = [];
    for await (const key of repository.keys(timelineIndexPrefix(database, ancestor.timeline))) {
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
