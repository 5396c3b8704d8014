import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { openDatabase } from '../../database/database.ts';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { restorePaths } from '../../io/data-directory/restores.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import { syncFolder } from '../../io/files/durable.ts';
import { unlessAbsent, writeFailure } from '../../io/files/errno.ts';
import { applyOwnership, readOwnership } from '../../io/files/ownership.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { judgeTail, scanSegment } from '../backup/segment-scan.ts';
import type { RunPort } from '../run-port.ts';
import { type PlanInput, readPlan } from './find-backup.ts';
import { plannedExtents } from './plan-restore.ts';

/**
 * Carries over what clients have written since the backup, while the server still runs: little is left for when it doesn't.
 * Fails: as `carryInto`. Twice: what is there is kept.
 */
export const carryOver =
  (deps: ActivityDeps) =>
  async (input: PlanInput, run: RunPort): Promise<{ carriedBytes: number }> => {
    const plan = await readPlan(deps, input);
    const { walDir, dataDir } = openDatabase(deps, input.database);
    return { carriedBytes: await carryInto(plan, { walDir, stagedDir: restorePaths(dataDir, run.runId).wal }, run.signal) };
  };

type Places = { /** Of the log in place. */ walDir: string; stagedDir: string };

/**
 * Appends to a staged log the whole records that the log in place has behind the planned end, byte for byte: so nothing that was
 * acknowledged is lost. What the baseline stands for must be as it was. Gives how much was appended.
 * Fails: store-incomplete (an earlier segment has grown), wal-gap (compaction has deleted one that is needed), source-damaged,
 * not-enough-space. Twice: goes on where it stopped.
 */
export async function carryInto(plan: RestorePlan, { walDir, stagedDir }: Places, signal: AbortSignal): Promise<number> {
  const extents = plannedExtents(plan);
  const [first, last] = [extents[0], extents.at(-1)] as [Extent, Extent];
  // What a rescue has left before its baseline is no part of the log.
  const files = ((await listSegments(walDir)) ?? []).filter(({ segment }) => segment >= first.segment);
  const ends = new Map(extents.map(({ segment, endBytes }) => [segment, endBytes]));
  for (const file of files) if (file.segment < last.segment) await requireUnchanged(file, ends.get(file.segment) ?? 0, signal);
  const behind = files.filter(({ segment }) => segment >= last.segment);
  requireAll(behind, last.segment);
  let carriedBytes = 0;
  for (const file of behind) {
    const startBytes = file.segment === last.segment ? last.endBytes : 0;
    carriedBytes += await carrySegment(file, { startBytes, stagedPath: join(stagedDir, file.fileName), signal });
  }
  const ownership = await readOwnership(walDir);
  if (ownership !== undefined) await applyOwnership(stagedDir, ownership);
  await syncFolder(stagedDir);
  return carriedBytes;
}

/** A writer that lost a race may append to an older segment: then the baseline lacks that record. */
async function requireUnchanged({ path, fileName, sizeBytes }: SegmentFile, endBytes: number, signal: AbortSignal): Promise<void> {
  const { records } = await scanSegment({ path, startBytes: endBytes, sizeBytes, signal });
  if (records === 0) return;
  const sentence = `${fileName} has grown since it was backed up, so the new log would lack ${records} records; nothing was replaced`;
  throw new RstowError('store-incomplete', sentence, { details: { path } });
}

function requireAll(files: readonly SegmentFile[], first: SegmentId): void {
  const missing = files.findIndex(({ segment }, index) => segment !== first + index);
  if (files.length > 0 && missing < 0) return;
  const file = segmentFileName((first + Math.max(0, missing)) as SegmentId);
  throw new RstowError('wal-gap', `${file} was deleted since it was backed up, perhaps by compaction; nothing was replaced`, {
    details: { file },
  });
}

type Carrying = { /** How far the segment was staged. */ startBytes: number; stagedPath: string; signal: AbortSignal };

/** What an attempt that died has left behind the last whole record is written anew. */
async function carrySegment({ path, segment, sizeBytes }: SegmentFile, { startBytes, stagedPath, signal }: Carrying): Promise<number> {
  const stagedBytes = (await unlessAbsent(stat(stagedPath)))?.size;
  const carried =
    stagedBytes === undefined ? undefined : await scanSegment({ path: stagedPath, startBytes, sizeBytes: stagedBytes, signal });
  const from = carried?.end.positionBytes ?? startBytes;
  const { end } = await scanSegment({ path, startBytes: from, sizeBytes, signal });
  // Fails if records stand behind what is none; a mere tail is left out.
  if (end.kind !== 'whole') await judgeTail(path, segment, end);
  const handle = await open(stagedPath, stagedBytes === undefined ? 'wx' : 'r+', 0o600);
  try {
    await handle.truncate(from);
    let position = from;
    for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes: from, endBytes: end.positionBytes, signal })) {
      for (let written = 0; written < chunk.length;) {
        const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, position + written);
        written += bytesWritten;
      }
      position += chunk.length;
    }
    await handle.sync();
  } catch (error) {
    throw writeFailure(error, stagedPath);
  } finally {
    await handle.close();
  }
  return end.positionBytes - from;
}
