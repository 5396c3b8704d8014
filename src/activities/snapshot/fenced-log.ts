import { RstowError } from '../../core/errors/rstow-error.ts';
import type { SegmentId } from '../../core/wal/wal-offset.ts';
import type { Database } from '../../database/database.ts';
import { type LogSource, snapshotLog } from '../../database/log-source.ts';
import { snapshotVolume } from '../../database/snapshots.ts';
import type { Fence } from '../../formats/repository/plans.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { pinnedLog } from '../backup/prepare-backup.ts';

/** Where the bytes up to a fence are read: in the data directory, or in a snapshot of its volume. */
export type FencedLog = Pick<LogSource, 'pathOf'> & {
  /** How long an incomplete record at a segment's end may stay so before it counts as torn: in a snapshot nobody completes it. */
  tornTailMs: number;
  /** The same file as its server goes on with it, if a snapshot is read. */
  growingPathOf?: ((segment: SegmentId) => string) | undefined;
  /** Whether what is read meanwhile holds is known when this has returned. Fails: snapshot-overflowed, and as the reading does. */
  read<T>(reading: () => Promise<T>): Promise<T>;
};

/** A snapshot is made readable if it isn't, as after its host was booted again. Fails: snapshot-overflowed, snapshot-unsupported, failed. */
export async function fencedLog(deps: ActivityDeps, database: Database, of: { fence: Fence; runId: string }): Promise<FencedLog> {
  const { pathOf } = pinnedLog(deps, database, of);
  const { snapshot, timeline } = of.fence;
  if (snapshot === undefined) return { pathOf, tornTailMs: database.timing.tornTailMs, read: (reading) => reading() };
  const volume = await snapshotVolume(database);
  const requireSound = async (): Promise<void> => {
    if ((await volume.inspect(snapshot.name)) !== undefined) return;
    throw new RstowError('failed', `the snapshot ${snapshot.name} of ${volume.name} is gone`);
  };
  // One that is gone would be taken anew, of a later moment, and nobody would remove it any more if its run has by now.
  await requireSound();
  const { dataDir } = await volume.take(snapshot.name);
  return {
    pathOf: snapshotLog({ dataDir, timeline, runId: of.runId }).pathOf,
    growingPathOf: pathOf,
    tornTailMs: 0,
    read: async (reading) => {
      // One that overflowed can't be read any more, or gives other bytes: that is the reason then, whatever the reading failed with.
      const outcome = await Promise.allSettled([reading()]);
      await requireSound();
      const [settled] = outcome;
      if (settled.status === 'rejected') throw settled.reason;
      return settled.value;
    },
  };
}
