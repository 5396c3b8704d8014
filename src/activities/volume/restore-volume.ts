import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RestoreVolumeResult } from '../../contract/restore-volume.ts';
import { promisedExtents, summariseExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { sizeText } from '../../core/text/figures.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import type { Manifest, StoredVolume } from '../../formats/repository/manifest.ts';
import { noteRun, receivedVolumes } from '../../io/agent-state/run-files.ts';
import { fsyncTree } from '../../io/data-directory/file-tree.ts';
import { isEmptyFolder } from '../../io/data-directory/restore-target.ts';
import { rstowFolder, writeTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { putTornIndexAside } from '../../io/data-directory/torn-files.ts';
import { unlessAbsent } from '../../io/files/errno.ts';
import { applyOwnership, readOwnership } from '../../io/files/ownership.ts';
import { findDataset } from '../../io/volume/zfs.ts';
import {
  dropReceived,
  isReceivedBy,
  keepDataset,
  mountDataset,
  type ReceivedDataset,
  receiveStream,
  requireNewDataset,
} from '../../io/volume/zfs-stream.ts';
import { replaySegments, requireDigest } from '../../replay/replay-segments.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireTarget } from '../restore/restore-target.ts';
import { onlyFrom } from '../restore/segment-copies.ts';
import { stageSegments } from '../restore/stage-segments.ts';
import type { RunPort } from '../run-port.ts';

type PlanVolumeInput = { database: string; repository?: string | undefined; backup: string; dataset: string };

/** What will be received, and where it will come to lie. */
export type PlannedVolume = Omit<RestoreVolumeResult, 'outcome' | 'runId' | 'database' | 'warnings' | 'agent' | 'durationMs'>;

/**
 * Whether the backup has a stream, and the dataset can be received: it doesn't exist, its pool has the room, and its mount point is where
 * this agent may restore. Changes nothing. Fails: backup-not-found, target-not-empty, target-not-allowed, not-enough-space, invalid-input,
 * snapshot-unsupported, wrong-key. Twice: asked anew.
 */
export const planVolume =
  (deps: ActivityDeps) =>
  async ({ database, repository, backup, dataset }: PlanVolumeInput): Promise<PlannedVolume> => {
    const store = await deps.openStore(database, repository);
    const manifest = await store.backups.find(backup);
    const { label, timeline, records, machines, instances, stateDigest } = manifest;
    const { dataPath, streamBytes } = requireVolume(manifest);
    await store.requireKeys(await store.pieces.plan(manifest));
    const { mountPoint } = await requireReceivable(deps, dataset, streamBytes);
    const dataDir = join(mountPoint, dataPath);
    const extents = summariseExtents(promisedExtents(manifest.segments));
    return { label, repository: store.name, dataset, dataDir, timeline, extents, records, machines, instances, stateDigest, streamBytes };
  };

function requireVolume({ label, volume }: Manifest): StoredVolume {
  if (volume !== undefined) return volume;
  throw new RstowError('backup-not-found', `${label} holds no stream of a dataset: it was not taken with --snapshot zfs --stream`, {
    details: { label },
  });
}

async function requireReceivable({ config }: ActivityDeps, dataset: string, neededBytes: number): Promise<{ mountPoint: string }> {
  const { mountPoint, availableBytes } = await requireNewDataset(dataset);
  await requireTarget(config, mountPoint);
  if (!(await isEmptyFolder(mountPoint)))
    throw new RstowError('target-not-empty', `${mountPoint}, where ${dataset} would be mounted, is not empty`);
  if (availableBytes >= neededBytes) return { mountPoint };
  const sentence = `the stream has ${sizeText(neededBytes)}, and the pool of ${dataset} has ${sizeText(availableBytes)} left`;
  throw new RstowError('not-enough-space', sentence, { details: { dataset, neededBytes, availableBytes } });
}

export type ReceiveVolumeInput = { database: string; repository: string; label: string; dataset: string; dataDir: string };

/**
 * Receives the dataset, and mounts it. Fails: as `planVolume`; missing-object, truncated-object, damaged-object, failed (what `zfs` said).
 * Twice: what an attempt has received is dropped, and received anew.
 */
export const receiveVolume =
  (deps: ActivityDeps) =>
  async ({ database, repository, label, dataset }: ReceiveVolumeInput, run: RunPort): Promise<void> => {
    const store = await deps.openStore(database, repository);
    const manifest = await store.backups.read(label);
    const { name, streamBytes } = requireVolume(manifest);
    const attachment = manifest.attachments.find((one) => one.name === name);
    if (attachment === undefined)
      throw new RstowError('damaged-object', `backup ${label} names no attachment ${name}`, { details: { label } });
    const received = receivedOf(deps, dataset, run);
    await dropReceived(received);
    await requireReceivable(deps, dataset, streamBytes);
    await noteRun(deps.config.agent.stateDir, run);
    await receivedVolumes.add(deps.config.agent.stateDir, run.runId, dataset);
    const stream = store.attachments.read({ label, attachment, signal: run.signal });
    await receiveStream(received, reported(stream, { dataset, streamBytes, run }), run.signal);
    await mountDataset(dataset);
  };

/** Agents that share a pool tell by it what is their own. */
function receivedOf({ agent }: Pick<ActivityDeps, 'agent'>, dataset: string, { runId }: Pick<RunPort, 'runId'>): ReceivedDataset {
  return { dataset, by: receiver(agent.installationId, runId) };
}

/** What a run marks a dataset with while it receives it. */
export const receiver = (installationId: string, runId: string): string => `${installationId}/${runId}`;

type Reporting = { dataset: string; streamBytes: number; run: RunPort };

async function* reported(stream: AsyncIterable<Uint8Array>, { dataset, streamBytes, run }: Reporting): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const chunk of stream) {
    doneBytes += chunk.length;
    run.report({ doing: dataset, doneBytes, totalBytes: streamBytes });
    yield chunk;
  }
}

/**
 * Replays the received log and compares it with the manifest; then the dataset is like any other. What the snapshot lacked of the backup's
 * log, as segments that compaction had deleted, comes from the repository; what is no whole record, at the end of the newest, goes. Fails:
 * digest-different, missing-object, truncated-object, damaged-object. Twice: one that was kept by now is left alone.
 */
export const checkVolume =
  (deps: ActivityDeps) =>
  async (input: ReceiveVolumeInput, run: RunPort): Promise<{ segmentsFetched: number }> => {
    const { dataset, dataDir, label } = input;
    if (!(await isReceivedBy(receivedOf(deps, dataset, run)))) return { segmentsFetched: 0 };
    const store = await deps.openStore(input.database, input.repository);
    const manifest = await store.backups.read(label);
    const walDir = join(dataDir, 'wal');
    await requireWithin(dataset, walDir);
    const segmentsFetched = await completeLog(store, { manifest, walDir, run });
    const extents = promisedExtents(manifest.segments);
    const pathOf = (segment: (typeof extents)[number]['segment']): string => join(walDir, segmentFileName(segment));
    const replayed = await replaySegments({ extents, pathOf, damageCode: 'damaged-object' }, run);
    requireDigest(replayed.stateDigest, manifest.stateDigest, label);
    const { database, timeline } = manifest;
    await writeTimelineFile(walDir, { format: 1, database, timeline, generation: 1 });
    // Pins and notes were of the server that went on.
    await rm(rstowFolder(dataDir), { recursive: true, force: true });
    await putTornIndexAside(dataDir);
    await run.checkOpen();
    await keepDataset(dataset, requireVolume(manifest).snapshot);
    await receivedVolumes.remove(deps.config.agent.stateDir, run.runId);
    return { segmentsFetched };
  };

/** A link may lead out of what was received. Fails: damaged-object. */
async function requireWithin(dataset: string, walDir: string): Promise<void> {
  const { name } = await findDataset(walDir);
  if (name !== dataset)
    throw new RstowError('damaged-object', `${walDir} does not lie on ${dataset}, but on ${name}`, { details: { dataset } });
}

type Completion = { manifest: Manifest; walDir: string; run: RunPort };

/** Fetches the segments that the received log lacks, or has in another length. Gives how many. */
async function completeLog(store: Store, { manifest, walDir, run }: Completion): Promise<number> {
  const different = [];
  for (const planned of await store.pieces.plan(manifest)) {
    const size = (await unlessAbsent(stat(join(walDir, segmentFileName(planned.segment)))))?.size;
    if (size !== planned.endBytes) different.push(planned);
  }
  if (different.length === 0) return 0;
  const ownership = (await readOwnership(walDir)) ?? manifest.ownership;
  await stageSegments({ copies: onlyFrom(store, run), planned: different, walDir, run });
  await applyOwnership(walDir, ownership);
  await fsyncTree(walDir);
  return different.length;
}

/** Drops what was received, unless it was kept. Twice: no-op. */
export const dropVolume =
  (deps: ActivityDeps) =>
  async ({ dataset }: { dataset: string }, run: RunPort): Promise<void> => {
    await dropReceived(receivedOf(deps, dataset, run));
    await receivedVolumes.remove(deps.config.agent.stateDir, run.runId);
  };
