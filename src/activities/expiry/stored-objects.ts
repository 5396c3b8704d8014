import { positionOfKey, indexPrefix } from '../../core/backup/label.ts';
import {
  backupsPrefix,
  databaseKey,
  factNameOfKey,
  factsPrefix,
  labelOfManifestKey,
  runFactNameOfKey,
  runsPrefix,
} from '../../core/repository/object-keys.ts';
import { sidecarKey } from '../../core/repository/coded-name.ts';
import { parsePieceKey, walPrefix } from '../../core/repository/piece.ts';
import { parseStreamKey, parseTimesKey, streamsPrefix } from '../../core/repository/stream-piece.ts';
import type { AgedPiece } from '../../core/retention/unneeded-pieces.ts';
import type { Store } from '../../store/store.ts';

type Aged = { key: string; modifiedAtMs: number };

/** All that lies in a repository of a database's log and backups, but the manifests. */
export type Stored = {
  pieces: AgedPiece[];
  /** What the continuous archive has stored for now, and when records came. */
  small: AgedPiece[];
  /** Sidecars whose piece is gone. */
  bareSidecars: Aged[];
  /** What lies of one backup besides its manifest. */
  others: (Aged & { label: string })[];
  /** What is remembered of runs that have ended. */
  runs: { key: string; endedAtMs: number }[];
  /** Of every object, by its key. */
  sizes: ReadonlyMap<string, number>;
};

/** Fails: repository-unavailable. */
export async function listStored({ database, place: { repository } }: Store, signal: AbortSignal): Promise<Stored> {
  const sizes = new Map<string, number>();
  const stored: Stored = { pieces: [], small: [], bareSidecars: [], others: [], runs: [], sizes };
  const sidecars: Aged[] = [];
  const prefixes = [
    walPrefix(database),
    streamsPrefix(database),
    databaseKey(database, 'times/'),
    runsPrefix(database),
    ...labelled(database),
  ];
  for (const prefix of prefixes) {
    for await (const { key, sizeBytes, modifiedAtMs } of repository.list(prefix, { signal, recalledMs: 0 })) {
      const aged = { key, modifiedAtMs };
      sizes.set(key, sizeBytes);
      const piece = parsePieceKey(key);
      const small = parseStreamKey(key) ?? parseTimesKey(key);
      const label = labelOf(key);
      const run = runFactNameOfKey(key);
      if (piece !== undefined) stored.pieces.push({ ...piece, modifiedAtMs });
      else if (small !== undefined) stored.small.push({ ...small, modifiedAtMs });
      else if (run !== undefined) stored.runs.push({ key, endedAtMs: run.endedAtMs });
      else if (label !== undefined) stored.others.push({ ...aged, label });
      else if (prefix === walPrefix(database) && parsePieceKey(objectOfSidecar(key)) !== undefined) sidecars.push(aged);
    }
  }
  stored.bareSidecars.push(...sidecars.filter(({ key }) => !sizes.has(objectOfSidecar(key))));
  return stored;
}

const labelled = (database: string): string[] => [backupsPrefix(database), indexPrefix(database), factsPrefix(database)];

/** Empty for any other key. */
export const objectOfSidecar = (key: string): string => (key.endsWith('.json') ? key.slice(0, -'.json'.length) : '');

/** Of what belongs to one backup, and is not its manifest. */
function labelOf(key: string): string | undefined {
  if (labelOfManifestKey(key) !== undefined) return undefined;
  return /^databases\/[^/]+\/backups\/([^/]+)\/[^/]+$/.exec(key)?.[1] ?? positionOfKey(key)?.label ?? factNameOfKey(key)?.label;
}

/** The object, and then its sidecar if it has one: one that is left alone is found again. */
export function lineOfPieces({ sizes }: Stored, key: string): string[] {
  return sizes.has(sidecarKey(key)) ? [key, sidecarKey(key)] : [key];
}
