import type { Warning } from '../../contract/result.ts';
import type { SegmentId } from '../../core/wal/segment-id.ts';
import type { CheckpointFile } from '../../io/agent-state/digest-checkpoint.ts';
import { removeScratch } from '../../io/agent-state/scratch.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { type LogReplay, readLog, type Replayed, settleReplay } from '../../replay/replay-segments.ts';
import { type AbsentSegments, stageAbsent } from './absent-segments.ts';
import { fittingCheckpoint, keepCheckpoint } from './checkpoint-file.ts';

export type StoredLog = AbsentSegments & {
  /** Of the segments that the fence has. */
  pathOf: (segment: SegmentId) => string;
  checkpoint: CheckpointFile;
  /** Where the records have passed already, up to these extents. */
  passed?: LogReplay | undefined;
};

/**
 * Replays a log that is stored, from its checkpoint if that fits, and keeps the next one. Segments that compaction has deleted since
 * are fetched if they have to be read at all. Fails: source-damaged, data-directory-replaced, not-enough-space, and as an object does.
 */
export async function replayLog(deps: ActivityDeps, log: StoredLog, run: RunPort): Promise<{ replayed: Replayed; warnings: Warning[] }> {
  const { extents, passed } = log;
  const from = passed === undefined ? await fittingCheckpoint(log.checkpoint, extents) : undefined;
  // What is replayed already needs none of its bytes again.
  const staged = passed !== undefined || from !== undefined ? undefined : await stageAbsent(deps, log, run);
  try {
    const pathOf = (segment: SegmentId): string => staged?.get(segment) ?? log.pathOf(segment);
    const source = { extents, pathOf, damageCode: 'source-damaged' as const };
    const read = passed ?? (await readLog(source, run, from));
    const replayed = await settleReplay(source, read);
    return { replayed, warnings: await keepCheckpoint(log.checkpoint, { log: read, replayed, extents }) };
  } finally {
    if (staged !== undefined && staged.size > 0) await removeScratch(deps.config.agent.stateDir, run.runId);
  }
}
