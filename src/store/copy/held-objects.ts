import { indexPrefix, positionOfKey } from '../../core/backup/label.ts';
import { sidecarKey } from '../../core/repository/coded-name.ts';
import type { HeldObjects } from '../../core/repository/copy-plan.ts';
import { backupKey, backupsPrefix, markKey, marksPrefix } from '../../core/repository/object-keys.ts';
import { parsePieceKey, type Piece, timelinePrefix, walPrefix } from '../../core/repository/piece.ts';
import type { WalOffset } from '../../core/wal/wal-offset.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Store } from '../store.ts';

/** In the order of the sources. */
export type HeldByAll = { sources: HeldObjects[]; target: HeldObjects };

type Places = { sources: readonly Store[]; target: Store };

/** All that each has of the database's backups: each is listed once. Fails: repository-unavailable. */
export async function heldOfAll({ sources, target }: Places): Promise<HeldByAll> {
  return { sources: await Promise.all(sources.map(listHeld)), target: await listHeld(target) };
}

/**
 * The part of it that one backup needs, as the sources that have it say. Fails: missing-object, truncated-object, damaged-object, if none
 * has it whole; repository-unavailable.
 */
export async function heldOfBackup(
  { sources, target }: Places,
  { label, mark }: { label: string; mark?: string | undefined },
): Promise<HeldByAll> {
  const held: HeldObjects[] = [];
  const timelines = new Set<string>();
  const manifests = await Promise.all(sources.map((source) => source.backups.readable(label)));
  if (manifests.every((manifest) => manifest === undefined)) await sources[0]?.backups.read(label);
  for (const [index, source] of sources.entries()) {
    const manifest = manifests[index];
    if (manifest === undefined) {
      held.push({ pieces: [], bare: new Set(), backups: new Map(), marks: new Set(), ends: new Map() });
      continue;
    }
    for (const { ranges } of manifest.segments) for (const { timeline } of ranges) timelines.add(timeline);
    const pieces = await piecesOfManifest(source, manifest);
    const marks = new Set(mark === undefined ? [] : [markKey(source.database, mark)]);
    held.push({ pieces, bare: new Set(), backups: await listBackup(source, label), marks, ends: new Map() });
  }
  const listed = await Promise.all([...timelines].map((timeline) => listPieces(target, timelinePrefix(target.database, timeline))));
  const pieces = listed.flatMap((of) => of.pieces);
  const bare = new Set(listed.flatMap((of) => [...of.bare]));
  const there = { pieces, bare, backups: await listBackup(target, label), marks: new Set<string>(), ends: new Map() };
  return { sources: held, target: there };
}

/** The pieces by which the source would read the backup now, and those that say of segments that they are empty. */
async function piecesOfManifest({ pieces }: Store, manifest: Manifest): Promise<Piece[]> {
  const planned = await pieces.plan(manifest, { withoutStream: true });
  const keys = new Set(planned.flatMap(({ slices }) => slices.map(({ key }) => key)));
  const read = [...keys].map(parsePieceKey).filter((piece) => piece !== undefined);
  const empty = manifest.segments.filter(({ ranges }) => ranges.length === 0);
  return [...read, ...empty.map(({ segment }) => pieces.at(manifest.timeline, { segment, startBytes: 0, endBytes: 0 }))];
}

/** Each prefix once. */
async function listHeld(store: Store): Promise<HeldObjects> {
  const { database, place } = store;
  const [pieces, backups, marks, ends] = await Promise.all([
    listPieces(store, walPrefix(database)),
    listBackups(store, backupsPrefix(database)),
    keysOf(place.repository.keys(marksPrefix(database))),
    listEnds(store),
  ]);
  return { ...pieces, backups, marks, ends };
}

/** What lies in the folder of one backup. */
async function listBackup(store: Store, label: string): Promise<HeldObjects['backups']> {
  return listBackups(store, backupKey(store.database, label, ''));
}

async function listPieces({ place }: Store, prefix: string): Promise<Pick<HeldObjects, 'pieces' | 'bare'>> {
  const keys = await keysOf(place.repository.keys(prefix));
  const pieces = [...keys].map(parsePieceKey).filter((piece) => piece !== undefined);
  // An empty one has none.
  const bare = pieces.filter(({ key, endBytes }) => endBytes > 0 && !keys.has(sidecarKey(key)));
  return { pieces, bare: new Set(bare.map(({ key }) => key)) };
}

async function listBackups({ database, place }: Store, prefix: string): Promise<Map<string, Set<string>>> {
  const backups = new Map<string, Set<string>>();
  for await (const key of place.repository.keys(prefix)) {
    const [label = '', name = ''] = key.slice(backupsPrefix(database).length).split('/');
    const names = backups.get(label);
    if (names === undefined) backups.set(label, new Set([name]));
    else names.add(name);
  }
  return backups;
}

/** By the names of the index, which are written before the manifests: so far a killed run may have got. */
async function listEnds({ database, place }: Store): Promise<Map<string, WalOffset>> {
  const ends = new Map<string, WalOffset>();
  for await (const key of place.repository.keys(indexPrefix(database))) {
    const position = positionOfKey(key);
    if (position !== undefined && position.end > (ends.get(position.timeline) ?? 0n)) ends.set(position.timeline, position.end);
  }
  return ends;
}

async function keysOf(keys: AsyncIterable<string>): Promise<Set<string>> {
  const all = new Set<string>();
  for await (const key of keys) all.add(key);
  return all;
}
