/** Stores the log of a server as its continuous archive does, look by look, without the follower. */
import { readFile } from 'node:fs/promises';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import type { StreamPiece } from '../../src/core/repository/stream-piece.ts';
import type { SegmentId } from '../../src/core/wal/wal-offset.ts';
import type { Store } from '../../src/store/store.ts';
import { scanAll } from '../fixtures/wal/scan-all.ts';

export type ArchiveLook = (atMs?: number) => Promise<StreamPiece[]>;

type ArchivedFiles = { timeline: string; walDir: string; /** What is stored of each segment. */ from?: ReadonlyMap<SegmentId, number> };

/** Each look puts one object for each segment that has grown since the one before: whole records, the oldest segment first. */
export function archiveLog(store: Store, { timeline, walDir, from = new Map() }: ArchivedFiles): ArchiveLook {
  const stored = new Map(from);
  let lastMs = 0;
  return async (atMs = Date.now()) => {
    const put: StreamPiece[] = [];
    for (const { segment, path } of (await listSegments(walDir)) ?? []) {
      const startBytes = stored.get(segment) ?? 0;
      const bytes = (await readFile(path)).subarray(startBytes);
      const endBytes = startBytes + (scanAll([bytes]).records.at(-1)?.endBytes ?? 0);
      if (endBytes === startBytes) continue;
      const piece = { segment, startBytes, endBytes, sinceMs: lastMs, seenMs: atMs };
      put.push(await store.stream.put(timeline, piece, [bytes.subarray(0, endBytes - startBytes)]));
      stored.set(segment, endBytes);
    }
    lastMs = atMs;
    return put;
  };
}
