import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Fence, fenceSchema } from '../../formats/repository/fence.ts';
import type { PinKind } from '../../contract/hot-backup.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { planKey } from '../../core/repository/object-keys.ts';
import { type SegmentId, segmentFileName } from '../../core/wal/segment-id.ts';
import { noteRun } from '../../io/agent-state/run-notes.ts';
import { type PinId, pinSegments, runPinFolder, unpinSegments } from '../../io/data-directory/pins.ts';
import { openSegments, type OpenSegments } from '../../io/data-directory/segments.ts';
import { putSealed, readOwn } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../../config/database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { forgetRun, type RunningBackups } from './running-backups.ts';

export type PinInput = { database: string; repository: string; timeline: string };
export type PinResult = { fenceKey: string; pin: PinKind; segments: number; sizeBytes: number };

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
    await noteRun(deps.config.agent.stateDir, run);
    const fence = await takeFence(deps, { dataDir, timeline, runId: run.runId });
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
    await forgetRun(deps.runningBackups, run.runId);
  };

/** Where a pinned segment is read. Fails: wal-gap, where compaction took it from a lost descriptor. */
export function pinnedPath(deps: ActivityDeps, id: PinId & { pin: PinKind }, segment: SegmentId): string {
  const fileName = segmentFileName(segment);
  if (id.pin === 'links') return join(runPinFolder(id), fileName);
  const opened = deps.runningBackups.opened.get(id.runId)?.segments.segments.find((file) => file.segment === segment);
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

async function takeFence(deps: ActivityDeps, id: PinId): Promise<Fence> {
  const pinned = await pinSegments(id);
  const files = pinned.kind === 'links' ? pinned.segments : await openOnce(deps.runningBackups, id);
  const segments = files.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes }));
  return { format: 1, timeline: id.timeline, pin: pinned.kind, segments };
}

async function openOnce(backups: RunningBackups, id: PinId): Promise<OpenSegments['segments']> {
  const { dataDir, runId } = id;
  // One backup at a time: whoever else has this directory open was terminated, and nobody unpins for it.
  for (const [other, kept] of backups.opened) if (other !== runId && kept.dataDir === dataDir) await forgetRun(backups, other);
  const segments = backups.opened.get(runId)?.segments ?? (await openSegments(join(dataDir, 'wal')));
  if (segments === undefined) throw new RstowError('data-directory-missing', `${dataDir}/wal does not exist`);
  backups.opened.set(runId, { dataDir, segments });
  return segments.segments;
}
