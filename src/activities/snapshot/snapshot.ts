import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { filesOfTimeline } from '../../core/backup/history.ts';
import { type SnapshotKind, snapshotName } from '../../core/backup/snapshot.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { mendDeleted } from '../../database/guard-look.ts';
import { pinLog, snapshotLog } from '../../database/log-source.ts';
import { runSnapshots, snapshotRemoved, snapshotVolume } from '../../database/snapshots.ts';
import { noteRun, notedWorkflow } from '../../io/agent-state/run-files.ts';
import type { Volume } from '../../io/volume/volume.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

type CheckSnapshotInput = { database: string; snapshot?: SnapshotKind | undefined; stream?: boolean | undefined };

/**
 * Whether a snapshot can be taken of the volume that the data lie on, and of which kind it is. Changes nothing. Fails:
 * snapshot-unsupported, permission-denied, not-enough-space, invalid-input. Twice: checked anew.
 */
export const checkSnapshot =
  (deps: ActivityDeps) =>
  async ({ database, snapshot, stream }: CheckSnapshotInput): Promise<{ kind: SnapshotKind }> => {
    const opened = openDatabase(deps, database);
    const configured = opened.settings.snapshot?.kind;
    if (snapshot !== undefined && configured !== undefined && snapshot !== configured) {
      const sentence = `databases.${database}.snapshot of the agent’s config is of kind ${configured}, and not ${snapshot}`;
      throw new RstowError('snapshot-unsupported', sentence, { details: { database } });
    }
    const volume = await snapshotVolume(opened);
    const { kind } = volume;
    if (stream === true && kind !== 'zfs') throw new RstowError('invalid-input', `a snapshot of kind ${kind} has no stream: only zfs has`);
    await volume.requireRoom();
    return { kind };
  };

type SnapshotInput = { database: string; repository: string; timeline: string };
export type TakenSnapshot = {
  fenceKey: string;
  pin: 'snapshot';
  snapshot: { volume: string; name: string; sizeBytes?: number | undefined; takenAtMs: number };
};

/**
 * Takes a snapshot of the volume, then the fence: the sizes of all segment files in it. Every record that was acknowledged before lies
 * within it. The segments are pinned as well: what clients write meanwhile is compared with the server, as in any backup. Snapshots that
 * runs before have left are removed first. Fails: as `checkSnapshot`, snapshot-overflowed, data-directory-missing,
 * data-directory-replaced, repository-unavailable, failed. Twice: the same snapshot, the first fence.
 */
export const takeSnapshot =
  (deps: ActivityDeps) =>
  async ({ database, repository, timeline }: SnapshotInput, run: RunPort): Promise<TakenSnapshot> => {
    const store = await deps.openStore(database, repository);
    const opened = openDatabase(deps, database);
    const volume = await snapshotVolume(opened);
    await noteRun(deps.config.agent.stateDir, run);
    await dropEnded(deps, opened, { volume, runId: run.runId });
    for (const fact of (await mendDeleted(opened)).facts) deps.events.record(fact);
    const id = { dataDir: opened.dataDir, timeline, runId: run.runId };
    const { pin } = await pinLog(id, deps.runningBackups.opened);
    const name = snapshotName(database, run.runId);
    run.signal.throwIfAborted();
    const atMs = Date.now();
    const { dataDir, sizeBytes } = await volume.take(name);
    await requireSameLog(opened, dataDir);
    // A segment that the server began in between is in the snapshot, and not pinned yet.
    await pinLog(id, deps.runningBackups.opened);
    const files = (await snapshotLog({ ...id, dataDir }).fence()) ?? [];
    const segments = filesOfTimeline(files, await store.timelines.having(timeline), timeline).map((file) => ({
      segment: file.segment,
      endBytes: file.sizeBytes,
    }));
    const snapshot = { kind: volume.kind, name, dataDir, takenAtMs: atMs };
    const { key: fenceKey, plan } = await store.plans.fence(timeline).keep(run.runId, { format: 1, timeline, pin, snapshot, segments });
    const takenAtMs = plan.snapshot?.takenAtMs ?? atMs;
    return { fenceKey, pin: 'snapshot', snapshot: { volume: volume.name, name, sizeBytes, takenAtMs } };
  };

/** What the run that holds the lock finds, no other can still need: but that it has ended must be known. */
async function dropEnded(deps: ActivityDeps, { name }: Database, { volume, runId }: { volume: Volume; runId: string }): Promise<void> {
  for (const left of await runSnapshots(name, volume)) {
    if (left.runId === runId) continue;
    const workflowId = await notedWorkflow(deps.config.agent.stateDir, left.runId);
    if (workflowId === undefined || (await deps.runs.isOpen(workflowId, left.runId))) continue;
    await volume.drop(left.name);
    deps.events.record(snapshotRemoved(name, { volume: volume.name, snapshot: left.name }));
  }
}

/** A copy of a file system has its inodes: so the snapshot shows this very folder, and not one that another mount hides. */
async function requireSameLog({ walDir, dataDir }: Database, dataDirInSnapshot: string): Promise<void> {
  const live = await stat(walDir, { bigint: true });
  const taken = await stat(join(dataDirInSnapshot, 'wal'), { bigint: true });
  if (taken.ino === live.ino && taken.dev !== live.dev) return;
  const sentence = `the snapshot holds another wal/ than ${dataDir}: it was replaced while the snapshot was taken`;
  throw new RstowError('data-directory-replaced', sentence, { details: { dataDir } });
}

export type DroppedSnapshot = { usedPercent?: number | undefined; droppedAtMs: number };

/** Removes the run's snapshot. Fails: failed, snapshot-unsupported. Twice: no-op. */
export const dropSnapshot =
  (deps: ActivityDeps) =>
  async ({ database }: Pick<SnapshotInput, 'database'>, run: RunPort): Promise<DroppedSnapshot> => {
    const volume = await snapshotVolume(openDatabase(deps, database));
    const name = snapshotName(database, run.runId);
    // That it overflowed matters to whoever reads it; here nobody does any more.
    const last = await volume.inspect(name).catch(() => undefined);
    await volume.drop(name);
    return { usedPercent: last?.usedPercent, droppedAtMs: Date.now() };
  };
