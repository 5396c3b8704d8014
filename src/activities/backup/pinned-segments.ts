import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Fence, fenceSchema } from '../../config/repository-json/fence.ts';
import type { PinKind } from '../../contract/hot-backup.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { planKey } from '../../core/repository/object-keys.ts';
import { type SegmentId, segmentFileName } from '../../core/wal/segment-id.ts';
import { type PinId, pinSegments, runPinFolder, unpinSegments } from '../../io/data-directory/pins.ts';
import { openSegments, type OpenSegments } from '../../io/data-directory/segments.ts';
import { putSealed, readOwn } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../database-settings.ts';
import type { RunPort } from '../run-port.ts';

export type PinInput = { database: string; repository: string; timeline: string };
export type PinResult = { fenceKey: string; pin: PinKind; segments: number; sizeBytes: number };

/** Descriptors that stand for pins where links can't be made: they last as long as this agent. */
const openedByRun = new Map<string, OpenSegments>();

/**
 * Keeps every segment from compaction, then takes the fence: the sizes of all segment files. Every record that was
 * acknowledged before lies within it. Fails: data-directory-missing, data-directory-replaced, repository-unavailable.
 * Twice: the first fence stands.
 */
export const pinWal =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, timeline }: PinInput, run: RunPort): Promise<PinResult> => {
    const repository = await deps.openRepository(name);
    const { dataDir } = databaseSettings(deps.config, database);
    const fence = await takeFence({ dataDir, timeline, runId: run.runId });
    const fenceKey = planKey(database, run.runId, 'fence');
    await putSealed(repository, fenceKey, { schema: fenceSchema, value: fence });
    const first = await readOwn(repository, fenceKey, fenceSchema);
    const sizeBytes = first.segments.reduce((sum, segment) => sum + segment.endBytes, 0);
    return { fenceKey, pin: first.pin, segments: first.segments.length, sizeBytes };
  };

/** Gives the segments back to compaction. Twice: no-op. */
export const unpinWal =
  (deps: ActivityDeps) =>
  async ({ database, timeline }: Pick<PinInput, 'database' | 'timeline'>, run: RunPort): Promise<void> => {
    const { dataDir } = databaseSettings(deps.config, database);
    await unpinSegments({ dataDir, timeline, runId: run.runId });
    await openedByRun.get(run.runId)?.[Symbol.asyncDispose]();
    openedByRun.delete(run.runId);
  };

/** Where a pinned segment is read. Fails: wal-gap, where compaction took it from a lost descriptor. */
export function pinnedPath(id: PinId, pin: PinKind, segment: SegmentId): string {
  const fileName = segmentFileName(segment);
  if (pin === 'links') return join(runPinFolder(id), fileName);
  const opened = openedByRun.get(id.runId)?.segments.find((file) => file.segment === segment);
  // The kernel opens this path's file anew even when its name is gone.
  if (opened !== undefined) return `/proc/self/fd/${opened.handle.fd}`;
  const path = join(id.dataDir, 'wal', fileName);
  if (existsSync(path)) return path;
  throw new RstowError('wal-gap', `${fileName} was deleted while no descriptor held it: the agent that had it open has ended`, {
    details: { path },
  });
}

/** Fails: missing-object, truncated-object, damaged-object, repository-unavailable. */
export async function readFence(deps: ActivityDeps, repositoryName: string, fenceKey: string): Promise<Fence> {
  return readOwn(await deps.openRepository(repositoryName), fenceKey, fenceSchema);
}

async function takeFence(id: PinId): Promise<Fence> {
  const pinned = await pinSegments(id);
  const files = pinned.kind === 'links' ? pinned.segments : await openOnce(id);
  const segments = files.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes }));
  return { format: 1, timeline: id.timeline, pin: pinned.kind, segments };
}

async function openOnce(id: PinId): Promise<OpenSegments['segments']> {
  const opened = openedByRun.get(id.runId) ?? (await openSegments(join(id.dataDir, 'wal')));
  if (opened === undefined) throw new RstowError('data-directory-missing', `${id.dataDir}/wal does not exist`);
  openedByRun.set(id.runId, opened);
  return opened.segments;
}
