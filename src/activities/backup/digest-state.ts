import type { Fence } from '../../formats/repository/plans.ts';
import { comparisonWarnings, type Restorable, restorableOf } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { baselineOf } from '../../core/backup/history.ts';
import type { ServerComparison } from '../../core/state/server-comparison.ts';
import { continuityOf } from '../../core/wal/continuity.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import type { CheckpointFile } from '../../io/agent-state/digest-checkpoint.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import type { Store } from '../../store/store.ts';
import type { KeptState } from '../../replay/kept-state.ts';
import { compareWithServer, writtenSince } from './compare-with-server.ts';
import { pinnedLog } from './prepare-backup.ts';
import { takeReplay } from './running-backups.ts';
import { checkpointFile, type ReplayedLog, replayLog, withSoundState } from './replay-log.ts';

export type DigestStateInput = { database: string; repository: string; fenceKey: string; extentsKey: string };
export type DigestedState = {
  stateDigest: string;
  machines: number;
  instances: number;
  recordsReplayed: number;
  restorable: Restorable;
  /** Null where the server could not be asked. */
  comparison: ServerComparison | null;
  warnings: Warning[];
};

/**
 * The digest of the state at the backup's end, by replaying what came since the last backup's; from the beginning
 * where the agent's checkpoint doesn't fit this history, this wal/ folder, or these extents. Where storing saw all
 * those records pass, the log isn't read again. The state is then held against the one that the server shows.
 * Fails: source-damaged, data-directory-replaced, not-enough-space. Twice: the same digest.
 */
export const digestState =
  (deps: ActivityDeps) =>
  async (input: DigestStateInput, run: RunPort): Promise<DigestedState> => {
    const store = await deps.openStore(input.database, input.repository);
    const fence = await store.plans.fence().read(input.fenceKey);
    const { segments: extents } = await store.plans.extents().read(input.extentsKey);
    const backup: Backup = { input, store, fence, extents, run };
    const checkpoint = await checkpointFile(deps, input.database, fence.timeline);
    const baseline = baselineOf(await store.timelines.having(fence.timeline), fence.timeline)?.segment;
    const { replayed, compared } = await withSoundState(checkpoint, async () => {
      const log = await replay(deps, backup, checkpoint);
      return { replayed: log, compared: await compare(deps, backup, { state: log.state, baseline }) };
    });
    const { state, records, warnings } = replayed;
    const { restorable: log } = continuityOf(
      extents.map(({ segment }) => segment),
      baseline,
    );
    const found = compared.comparison === null ? [] : comparisonWarnings(compared.comparison);
    return {
      stateDigest: state.digest,
      machines: state.machines.length,
      instances: state.instances,
      recordsReplayed: records,
      restorable: restorableOf(log, compared.comparison),
      comparison: compared.comparison,
      warnings: [...warnings, ...compared.warnings, ...found],
    };
  };

type Backup = { input: DigestStateInput; store: Store; fence: Fence; extents: readonly Extent[]; run: RunPort };

function replay(deps: ActivityDeps, backup: Backup, checkpoint: CheckpointFile): Promise<ReplayedLog> {
  const { input, store, fence, extents, run } = backup;
  const passed = takeReplay(deps.runningBackups, checkpoint, run.runId)?.upTo(extents);
  const { pathOf } = pinnedLog(deps, openDatabase(deps, input.database), { fence, runId: run.runId });
  return replayLog(deps, { store, fence, extents, pathOf, checkpoint, passed }, run);
}

type Given = { state: KeptState; baseline: SegmentId | undefined };

function compare(deps: ActivityDeps, { input, fence, extents, run }: Backup, given: Given): ReturnType<typeof compareWithServer> {
  const database = openDatabase(deps, input.database);
  const { pathOf } = pinnedLog(deps, database, { fence, runId: run.runId });
  const readSince = async (): ReturnType<typeof writtenSince> => {
    const pinned = new Map(fence.segments.map(({ segment }) => [segment, pathOf(segment)]));
    return writtenSince({ walDir: database.walDir, extents, pinned, signal: run.signal });
  };
  const log = { ...given, extents, mustList: extents.length > fence.segments.length, writtenSince: readSince };
  return compareWithServer(database.server, log, run.signal);
}
