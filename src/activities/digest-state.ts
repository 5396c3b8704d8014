import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointFits } from '../core/state/checkpoint.ts';
import { readCheckpoint, writeCheckpoint } from '../io/agent-state/digest-checkpoint.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { databaseSettings } from './database-settings.ts';
import { pinnedPath, readFence } from './pinned-segments.ts';
import { replaySegments } from './replay-segments.ts';
import type { RunPort } from './run-port.ts';
import { readStoredExtents } from './stored-extents.ts';

export type DigestStateInput = { database: string; repository: string; fenceKey: string; extentsKey: string };
export type DigestedState = { stateDigest: string; machines: number; instances: number; recordsReplayed: number };

/**
 * The digest of the state at the backup's end, by replaying what came since the last backup's; from the beginning
 * where the agent's checkpoint doesn't fit this history, this wal/ folder, or these extents.
 * Fails: source-damaged, data-directory-replaced. Twice: the same digest.
 */
export const digestState =
  (deps: ActivityDeps) =>
  async (input: DigestStateInput, run: RunPort): Promise<DigestedState> => {
    const { database } = input;
    const fence = await readFence(deps, input.repository, input.fenceKey);
    const { segments: extents } = await readStoredExtents(await deps.openRepository(input.repository), input.extentsKey);
    const { dataDir } = databaseSettings(deps.config, database);
    const { stateDir } = deps.config.agent;
    const binding = { timeline: fence.timeline, walInode: await inodeOf(join(dataDir, 'wal')) };
    const checkpoint = await readCheckpoint(stateDir, database, binding);
    const from = checkpoint !== undefined && checkpointFits(checkpoint.extents, extents) ? checkpoint : undefined;
    const pin = { dataDir, timeline: fence.timeline, runId: run.runId };
    const pathOf = (segment: Parameters<typeof pinnedPath>[2]): string => pinnedPath(pin, fence.pin, segment);
    const source = { extents, pathOf, damageCode: 'source-damaged' as const, ...(from === undefined ? {} : { from }) };
    const { index, stateDigest, records } = await replaySegments(source, run);
    if (records > 0 || from === undefined) {
      await writeCheckpoint({ stateDir, database, binding }, { index, extents, digest: stateDigest });
    }
    const { machines, instances } = index.counts();
    return { stateDigest, machines, instances, recordsReplayed: records };
  };

async function inodeOf(path: string): Promise<string> {
  return (await stat(path, { bigint: true })).ino.toString();
}
