import { join } from 'node:path';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import type { RestorePlan } from '../../formats/repository/restore-plan.ts';
import type { ReplaySource } from '../../replay/replay-segments.ts';

/** The log that a plan restores, as it lies in a wal/ folder: to be replayed. */
export function plannedFiles({ segments }: RestorePlan, walDir: string): ReplaySource {
  return { extents: segments, pathOf: (segment) => join(walDir, segmentFileName(segment)), damageCode: 'damaged-object' };
}

/**
 * Compares what a server shows with a backup. One that stops answering on the way has shown nothing wrong: the state was
 * compared when the log was replayed, so it is a warning. Fails: as the comparison, but for comparison-unfinished.
 */
export async function unfinishedComparison(compare: () => Promise<Warning | undefined>): Promise<Warning | undefined> {
  try {
    return await compare();
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'comparison-unfinished') throw error;
    const message = `the state could not be compared to its end over the wire: ${error.message}. The replay of the log had compared it.`;
    return { code: error.code, message };
  }
}
