import { Readable } from 'node:stream';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { openDatabase } from '../../database/database.ts';
import type { StoredVolume } from '../../formats/repository/manifest.ts';
import { findDataset } from '../../io/volume/zfs.ts';
import { sendStream } from '../../io/volume/zfs-stream.ts';
import type { StoredAttachment } from '../../store/attachments.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

export type StoreVolumeInput = { database: string; repository: string; label: string; fenceKey: string };

/** `attachment` is the stream; `volume` says what a `zfs receive` of it gives. */
export type VolumeStored = StoredAttachment & { volume: StoredVolume };

const STREAM_NAME = 'volume.zfs';

/**
 * Stores the whole dataset as `zfs send` streams the run's snapshot, as one object beside the manifest. Whoever is interrupted begins
 * anew: a stream has no parts that could be told apart. Fails: failed (the snapshot is gone, or what `zfs` said), snapshot-unsupported,
 * repository-unavailable, not-enough-space. Twice: what is there stays.
 */
export const storeVolume =
  (deps: ActivityDeps) =>
  async ({ database, repository, label, fenceKey }: StoreVolumeInput, run: RunPort): Promise<VolumeStored> => {
    const store = await deps.openStore(database, repository);
    const { snapshot } = await store.plans.fence().read(fenceKey);
    if (snapshot?.kind !== 'zfs') throw new RstowError('snapshot-unsupported', 'only a snapshot of ZFS can be stored as a stream');
    const { name: dataset, path: dataPath } = await findDataset(openDatabase(deps, database).dataDir);
    const stream = sendStream(dataset, snapshot.name, run.signal);
    let streamBytes = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of stream) {
        streamBytes += chunk.length;
        run.report({ doing: dataset, doneBytes: streamBytes });
        yield chunk;
      }
    }
    const stored = await store.attachments.put(
      { label, name: STREAM_NAME, runId: run.runId, signal: run.signal },
      Readable.from(counted(), { objectMode: false }),
    );
    return { ...stored, volume: { kind: 'zfs', name: STREAM_NAME, dataset, snapshot: snapshot.name, dataPath, streamBytes } };
  };
