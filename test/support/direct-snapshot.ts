/** Backups from snapshots of a volume, without Temporal. */
import type { SnapshotBackupResult } from '../../src/contract/snapshot-backup.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { snapshotBackup } from '../../src/workflows/snapshot-backup.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { directDeps, directEngine } from './direct-backup.ts';

export type SnapshotOptions = {
  /** What happens to the volume once its snapshot is taken. */
  afterTake?: () => Promise<void>;
  /** Which run it is, before anything is done. */
  onRun?: (runId: string) => void;
};

/** What the workflow snapshotBackup does. Runs that were killed have ended, as far as anybody knows here. */
export async function backUpSnapshot(stack: DatabaseStack, { afterTake, onRun }: SnapshotOptions = {}): Promise<SnapshotBackupResult> {
  const plain = directDeps(stack);
  const deps = { ...plain, runs: { ...plain.runs, isOpen: async () => false } };
  await databaseOwnership(deps, DATABASE);
  const engine = directEngine({ deps, type: 'snapshotBackup' }, ({ takeSnapshot }) => ({
    takeSnapshot: async (input) => {
      const taken = await takeSnapshot(input);
      await afterTake?.();
      return taken;
    },
  }));
  onRun?.(engine.runId);
  return snapshotBackup({ database: DATABASE }, engine);
}
