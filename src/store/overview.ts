import { randomBytes } from 'node:crypto';
import { type BackupPosition, indexPrefix, positionKey, positionOfKey } from '../core/backup/label.ts';
import { promisedExtents, summariseExtents } from '../core/backup/segment-plan.ts';
import { backupKey, backupsPrefix, catalogueKey, cataloguePrefix, labelOfManifestKey } from '../core/repository/object-keys.ts';
import { parseWalOffset } from '../core/wal/wal-offset.ts';
import { type CataloguedBackup, catalogueSchema } from '../formats/repository/catalogue.ts';
import type { Manifest } from '../formats/repository/manifest.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';
import { remembered } from '../io/repository/wrap/recall.ts';
import { readableManifest } from './manifests.ts';
import { allEnded } from './small-batches.ts';

/** What manifests say, in one object, where reading each of them costs. Derived, and made anew from them. */
export type Overview = {
  /** Of these backups, those whose manifests are there and needn't be read for a list. None where calls don't cost. */
  of(backups: readonly BackupPosition[]): Promise<ReadonlyMap<string, CataloguedBackup>>;
  /** Puts what the catalogue lacks into a new one, if that is worth it, and deletes the old one. Only the owner's agent does. Twice: no-op. */
  refresh(): Promise<void>;
};

type Scope = { repository: Repository; database: string };

/** Of fewer backups their manifests are read. */
const WORTH_IT = 8;

/** So many manifests at most a list reads beside the catalogue. */
const LACKING_MIN = 5;

/** The newest by the clock: a list shows no more than 200. */
const BACKUPS_MAX = 2000;

const READ_AT_ONCE = 8;

/** The index is the owner's own work, and so is the catalogue. */
const LISTED_MS = 6 * 3_600_000;

export function overviewOf(scope: Scope): Overview {
  const { callsCost } = scope.repository.properties;
  return {
    of: async (backups) => (callsCost && backups.length >= WORTH_IT ? catalogued(scope, backups) : new Map()),
    refresh: async () => {
      if (callsCost) await refreshCatalogue(scope);
    },
  };
}

/** What a list says of a backup. */
export function cataloguedOf(manifest: Manifest): CataloguedBackup {
  const { label, kind, timeline, createdAtMs, writtenAtMs, bytesStored, records, machines, instances, stateDigest, restorable } = manifest;
  const extents = summariseExtents(promisedExtents(manifest.segments));
  return { label, kind, timeline, createdAtMs, writtenAtMs, bytesStored, extents, records, machines, instances, stateDigest, restorable };
}

/** A backup is there if its manifest is, whatever the catalogue says; and if the index says another place of it, its manifest is read. */
async function catalogued(scope: Scope, backups: readonly BackupPosition[]): Promise<ReadonlyMap<string, CataloguedBackup>> {
  const { repository, database } = scope;
  const known = byPlace(database, (await readCatalogues(scope, 0)).backups);
  const first = backups.map(({ label }) => label).sort()[0] ?? '';
  const there = new Set<string | undefined>();
  const options = { startAfter: backupKey(database, first, '') };
  for await (const key of repository.keys(backupsPrefix(database), options)) there.add(labelOfManifestKey(key));
  const found = new Map<string, CataloguedBackup>();
  for (const position of backups) {
    const row = known.get(positionKey(database, position));
    if (row !== undefined && there.has(row.label)) found.set(row.label, row);
  }
  return found;
}

type Catalogues = { keys: string[]; backups: CataloguedBackup[] };

/** One that can't be read counts as none. */
async function readCatalogues({ repository, database }: Scope, recalledMs: number): Promise<Catalogues> {
  const read: Catalogues = { keys: [], backups: [] };
  for await (const key of repository.keys(cataloguePrefix(database), { recalledMs })) {
    read.keys.push(key);
    const catalogue = await unlessUnreadable(readSealed(remembered(repository), key, catalogueSchema));
    read.backups.push(...(catalogue?.backups ?? []));
  }
  return read;
}

function byPlace(database: string, backups: readonly CataloguedBackup[]): Map<string, CataloguedBackup> {
  return new Map(backups.map((backup) => [positionKey(database, placeOf(backup)), backup]));
}

function placeOf({ label, timeline, extents, writtenAtMs }: CataloguedBackup): BackupPosition {
  return { label, timeline, end: parseWalOffset(extents.end) as BackupPosition['end'], sizeBytes: extents.sizeBytes, writtenAtMs };
}

/** Who dies in between leaves two, which say the same. */
async function refreshCatalogue(scope: Scope): Promise<void> {
  const { repository, database } = scope;
  const wanted = await newestPositions(scope);
  const before = await readCatalogues(scope, LISTED_MS);
  const known = byPlace(database, before.backups);
  const kept: CataloguedBackup[] = [];
  const lacking: BackupPosition[] = [];
  for (const position of wanted) {
    const row = known.get(positionKey(database, position));
    if (row === undefined) lacking.push(position);
    else kept.push(row);
  }
  if (wanted.length < WORTH_IT || lacking.length < LACKING_MIN) return;
  const read = await readLacking(scope, lacking);
  if (read.length < LACKING_MIN) return;
  const key = catalogueKey(database, Date.now(), randomBytes(4).toString('hex'));
  await putSealed(repository, key, { schema: catalogueSchema, value: { format: 1, backups: [...kept, ...read] } });
  await repository.deleteMany(before.keys);
}

async function newestPositions({ repository, database }: Scope): Promise<BackupPosition[]> {
  const positions: BackupPosition[] = [];
  for await (const key of repository.keys(indexPrefix(database), { recalledMs: LISTED_MS })) {
    const position = positionOfKey(key);
    if (position !== undefined) positions.push(position);
  }
  return positions.sort((one, other) => other.writtenAtMs - one.writtenAtMs).slice(0, BACKUPS_MAX);
}

/** One whose manifest says another place than the index is left out, as one that can't be read. */
async function readLacking({ repository, database }: Scope, lacking: readonly BackupPosition[]): Promise<CataloguedBackup[]> {
  const rows: CataloguedBackup[] = [];
  for (let at = 0; at < lacking.length; at += READ_AT_ONCE) {
    const some = lacking.slice(at, at + READ_AT_ONCE);
    const manifests = await allEnded(some.map(({ label }) => readableManifest(remembered(repository), database, label)));
    for (const [index, manifest] of manifests.entries()) {
      const row = manifest && cataloguedOf(manifest);
      const place = some[index];
      if (row !== undefined && place !== undefined && positionKey(database, placeOf(row)) === positionKey(database, place)) rows.push(row);
    }
  }
  return rows;
}
