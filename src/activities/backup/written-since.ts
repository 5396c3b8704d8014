import { stat } from 'node:fs/promises';
import { readLogEntry } from '../../core/state/log-entry.ts';
import { machineName, type WrittenSince } from '../../core/state/server-comparison.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { scanSegment } from './segment-scan.ts';

export type LogBehind = {
  walDir: string;
  extents: readonly Extent[];
  /** Of the segments that are pinned: compaction may have taken their names away by now. */
  pinned: ReadonlyMap<SegmentId, string>;
  signal: AbortSignal;
};

type Written = { created: Set<string>; deleted: Set<string>; machines: Set<string>; ends: Map<number, number> };

/** What was written behind a backup's end so far: a server may show it already. Fails: data-directory-replaced. */
export async function writtenSince({ walDir, extents, pinned, signal }: LogBehind): Promise<WrittenSince> {
  const written: Written = { created: new Set(), deleted: new Set(), machines: new Set(), ends: new Map() };
  const ends = new Map(extents.map(({ segment, endBytes }) => [segment, endBytes]));
  const lastSegment = Math.max(0, ...ends.keys());
  const listed = ((await listSegments(walDir)) ?? []).map(({ segment, path }) => [segment, path] as const);
  for (const [segment, path] of new Map([...listed, ...pinned])) {
    // A segment that no backup ever saw, between others, is a hole and nothing new.
    const startBytes = ends.get(segment) ?? (segment > lastSegment ? 0 : undefined);
    if (startBytes !== undefined) written.ends.set(segment, await readBehind(written, { path, startBytes, signal }));
  }
  return written;
}

async function readBehind(written: Written, at: { path: string; startBytes: number; signal: AbortSignal }): Promise<number> {
  const { path, startBytes, signal } = at;
  const { size } = await stat(path);
  const { end } = await scanSegment({ path, startBytes, sizeBytes: size, signal, onRecord: ({ payload }) => take(written, payload) });
  return end.positionBytes;
}

function take({ created, deleted, machines }: Written, payload: Uint8Array): void {
  const entry = readLogEntry(payload);
  if (entry?.kind === 'put_machine') machines.add(machineName(entry));
  else if (entry?.kind === 'create_instance') created.add(entry.id);
  else if (entry?.kind === 'delete_instance') deleted.add(entry.id);
}
