import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LivePinKind } from '../contract/hot-backup.ts';
import { RstowError, unreachable } from '../core/errors/rstow-error.ts';
import { segmentFileName, type SegmentId } from '../core/wal/wal-offset.ts';
import { type PinId, pinSegments, runPinFolder, unpinSegments } from '../io/data-directory/pins.ts';
import { listSegments, openSegments, type OpenSegments, type SegmentFile } from '../io/data-directory/segments.ts';

/** A log that is held as it is, by one run, so that it can be read though its server goes on, and compacts. */
export type LogSource = {
  /**
   * Holds every segment, and reads their sizes when all are held: each record that was acknowledged before lies within
   * them. Undefined where this disk has no such hold. Fails: data-directory-missing, data-directory-replaced,
   * data-directory-unsupported. Twice: what is held stays so.
   */
  fence(): Promise<readonly SegmentFile[] | undefined>;

  /** Where a segment that the fence has is read. Fails: wal-gap, where it is not held any more and its name is gone. */
  readonly pathOf: (segment: SegmentId) => string;

  /** Gives the segments back to compaction. Twice: no-op. */
  release(): Promise<void>;
};

/** By run: descriptors that stand for pins where links can't be made. They last as long as the agent. */
export type OpenLogs = Map<string, { dataDir: string; segments: OpenSegments }>;

export type PinnedLog = { pin: LivePinKind; segments: readonly SegmentFile[]; source: LogSource };

/** Holds the log by hard links, else by descriptors. Fails: as `fence`. Twice: as `fence`. */
export async function pinLog(id: PinId, openLogs: OpenLogs): Promise<PinnedLog> {
  for (const pin of ['links', 'descriptors'] as const) {
    const source = logSource(pin, id, openLogs);
    const segments = await source.fence();
    if (segments !== undefined) return { pin, segments, source };
  }
  throw new RstowError('data-directory-unsupported', `the log in ${id.dataDir} can be held neither by links nor by descriptors`);
}

/** What holds a run's log, as an earlier step of it said. */
export function logSource(pin: LivePinKind, id: PinId, openLogs: OpenLogs): LogSource {
  switch (pin) {
    case 'links':
      return linkedLog(id);
    case 'descriptors':
      return openedLog(id, openLogs);
    default:
      return unreachable(pin);
  }
}

/** Whatever holds a run's log. Twice: no-op. */
export async function releaseLog(id: PinId, openLogs: OpenLogs): Promise<void> {
  await linkedLog(id).release();
  await openedLog(id, openLogs).release();
}

/** Closes what a run has open. Twice: no-op. */
export async function closeOpenLog(openLogs: OpenLogs, runId: string): Promise<void> {
  const kept = openLogs.get(runId);
  openLogs.delete(runId);
  await kept?.segments[Symbol.asyncDispose]();
}

/**
 * The log in a snapshot of its volume, with the pins that were made before the snapshot was taken: compaction may have been at it in
 * between. `id.dataDir`: the data directory as the snapshot shows it.
 */
export function snapshotLog(id: PinId): Pick<LogSource, 'fence' | 'pathOf'> {
  const walDir = join(id.dataDir, 'wal');
  const inWal = (segment: SegmentId): string => join(walDir, segmentFileName(segment));
  const inPins = (segment: SegmentId): string => join(runPinFolder(id), segmentFileName(segment));
  return {
    fence: async () => {
      const files = await listSegments(walDir);
      if (files === undefined) throw new RstowError('data-directory-missing', `${walDir} does not exist`);
      const pinned = ((await listSegments(runPinFolder(id))) ?? []).filter(({ segment }) => !existsSync(inWal(segment)));
      const segments = [...files, ...pinned].sort((one, other) => one.segment - other.segment);
      for (const { path } of segments) await requireWithin(path, walDir);
      return segments;
    },
    pathOf: (segment) => (existsSync(inWal(segment)) ? inWal(segment) : inPins(segment)),
  };
}

/** A link may lead out of the snapshot, to a file that the server goes on writing. */
async function requireWithin(path: string, walDir: string): Promise<void> {
  if ((await stat(path)).dev === (await stat(walDir)).dev) return;
  throw new RstowError('snapshot-unsupported', `${path} is a link that leads out of the snapshot`, { details: { path } });
}

/** Hard links outlive the agent, and the disk says whose they are. */
function linkedLog(id: PinId): LogSource {
  return {
    fence: async () => {
      const pinned = await pinSegments(id);
      return pinned.kind === 'links' ? pinned.segments : undefined;
    },
    pathOf: (segment) => join(runPinFolder(id), segmentFileName(segment)),
    release: () => unpinSegments(id),
  };
}

/** For a disk without links: what an agent that has ended had open is lost to compaction. */
function openedLog({ dataDir, runId }: PinId, openLogs: OpenLogs): LogSource {
  return {
    fence: async () => {
      // One run at a time: whoever else has this directory open was terminated, and nobody releases for it.
      for (const [other, kept] of openLogs) if (other !== runId && kept.dataDir === dataDir) await closeOpenLog(openLogs, other);
      const segments = openLogs.get(runId)?.segments ?? (await openSegments(join(dataDir, 'wal')));
      if (segments === undefined) throw new RstowError('data-directory-missing', `${dataDir}/wal does not exist`);
      openLogs.set(runId, { dataDir, segments });
      return segments.segments;
    },
    pathOf: (segment) => {
      const opened = openLogs.get(runId)?.segments.segments.find((file) => file.segment === segment);
      // The kernel opens this path's file anew even when its name is gone.
      if (opened !== undefined) return `/proc/self/fd/${opened.handle.fd}`;
      const path = join(dataDir, 'wal', segmentFileName(segment));
      if (existsSync(path)) return path;
      const sentence = `${segmentFileName(segment)} was deleted while no descriptor held it: the agent that had it open has ended`;
      throw new RstowError('wal-gap', sentence, { details: { path } });
    },
    release: () => closeOpenLog(openLogs, runId),
  };
}
