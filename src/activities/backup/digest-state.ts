import { checkpointFits } from '../../core/state/checkpoint.ts';
import type { Checkpoint } from '../../core/state/replay-index.ts';
import type { Extent } from '../../core/wal/wal-range.ts';
import { readCheckpoint, writeCheckpoint } from '../../io/agent-state/digest-checkpoint.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { type ReplaySource, readLog, settleReplay } from '../state/replay-segments.ts';
import { checkpointFile } from './checkpoint-file.ts';
import { takeReplay } from './passing-replay.ts';
import { pinnedPath, readFence } from './pinned-segments.ts';
import { readStoredExtents } from './stored-extents.ts';

export type DigestStateInput = { database: string; repository: string; fenceKey: string; extentsKey: string };
export type DigestedState = { stateDigest: string; machines: number; instances: number; recordsReplayed: number };

/**
 * The digest of the state at the backup's end, by replaying what came since the last backup's; from the beginning
 * where the agent's checkpoint doesn't fit this history, this wal/ folder, or these extents. Where storing saw all
 * those records pass, the log isn't read again. Fails: source-damaged, data-directory-replaced. Twice: the same digest.
 */
export const digestState =
  (deps: ActivityDeps) =>
  async (input: DigestStateInput, run: RunPort): Promise<DigestedState> => {
    const { database } = input;
    const fence = await readFence(deps, input.repository, input.fenceKey);
    const { segments: extents } = await readStoredExtents(await deps.openRepository(input.repository), input.extentsKey);
    const file = await checkpointFile(deps, database, fence.timeline);
    const { dataDir } = databaseSettings(deps.config, database);
    const pin = { dataDir, timeline: fence.timeline, runId: run.runId };
    const source: ReplaySource = { extents, pathOf: (segment) => pinnedPath(pin, fence.pin, segment), damageCode: 'source-damaged' };
    const passed = takeReplay(file, run.runId)?.upTo(extents);
    const replay = passed ?? (await readLog(source, run, fitting(await readCheckpoint(file), extents)));
    const { index, stateDigest, records } = await settleReplay(source, replay);
    if (records > 0 || replay.from === undefined) await writeCheckpoint(file, { index, extents, digest: stateDigest });
    const { machines, instances } = index.counts();
    return { stateDigest, machines, instances, recordsReplayed: records };
  };

function fitting(checkpoint: Checkpoint | undefined, extents: readonly Extent[]): Checkpoint | undefined {
  return checkpoint !== undefined && checkpointFits(checkpoint.extents, extents) ? checkpoint : undefined;
}
