/** How far behind the server its archive was: from a record's acknowledgement to the moment at which an object that has it was durable. */
import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parsePieceKey, type Piece } from '../../src/core/repository/piece.ts';
import { parseStreamKey } from '../../src/core/repository/stream-piece.ts';
import { positionBytesOf, segmentOf, type WalOffset } from '../../src/core/wal/wal-offset.ts';

type Acknowledged = { offset: WalOffset; acknowledgedAtMs: number };

/** Milliseconds; 0 if the object was durable before the client had its answer. */
export type Lag = { p50Ms: number; p99Ms: number; mostMs: number; records: number; /** In no object. */ missing: number };

type StoredPiece = Piece & { durableAtMs: number };

/** Nothing of what was stored meanwhile may have been removed: `archive.keptMs` is longer. */
export async function measureLag(repositoryDir: string, records: readonly Acknowledged[]): Promise<Lag> {
  const pieces = Map.groupBy(await storedPieces(repositoryDir), ({ segment }) => segment);
  const bySegment = Map.groupBy(records, ({ offset }) => segmentOf(offset));
  const lags = [...bySegment].flatMap(([segment, ofSegment]) => lagsOf(ofSegment, pieces.get(segment) ?? []));
  const found = Float64Array.from(lags.filter((lagMs) => lagMs !== undefined)).sort();
  const percentile = (share: number): number => Math.round(found[Math.min(found.length - 1, Math.floor(found.length * share))] ?? 0);
  return {
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    mostMs: percentile(1),
    records: lags.length,
    missing: lags.length - found.length,
  };
}

/** Whichever object had a record first counts. */
function lagsOf(records: readonly Acknowledged[], pieces: readonly StoredPiece[]): (number | undefined)[] {
  const sorted = records.toSorted((one, other) => positionBytesOf(one.offset) - positionBytesOf(other.offset));
  const lags = new Array<number | undefined>(sorted.length).fill(undefined);
  for (const { startBytes, endBytes, durableAtMs } of pieces.toSorted((one, other) => one.durableAtMs - other.durableAtMs)) {
    for (let index = firstFrom(sorted, startBytes); index < sorted.length; index += 1) {
      const { offset, acknowledgedAtMs } = sorted[index] as Acknowledged;
      if (positionBytesOf(offset) >= endBytes) break;
      lags[index] ??= Math.max(0, durableAtMs - acknowledgedAtMs);
    }
  }
  return lags;
}

function firstFrom(sorted: readonly Acknowledged[], positionBytes: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (positionBytesOf((sorted[middle] as Acknowledged).offset) < positionBytes) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A file's inode changes last when its temporary name goes: its bytes and its name are durable by then. */
async function storedPieces(repositoryDir: string): Promise<StoredPiece[]> {
  const entries = await readdir(repositoryDir, { recursive: true, withFileTypes: true });
  const pieces = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const key = relative(repositoryDir, path);
      const piece = parseStreamKey(key) ?? parsePieceKey(key);
      return piece && { ...piece, durableAtMs: (await lstat(path)).ctimeMs };
    });
  return (await Promise.all(pieces)).filter((piece) => piece !== undefined);
}
