import type { Place } from '../activities/catalogue/locate.ts';
import type { PreparedBackup } from '../activities/backup/prepare-backup.ts';
import type { VolumeStored } from '../activities/volume/store-volume.ts';
import type { SnapshotBackupInput, SnapshotBackupResult, SnapshotFacts, StreamFacts } from '../contract/snapshot-backup.ts';
import type { SnapshotKind } from '../core/backup/snapshot.ts';
import {
  type BackedUpOnce,
  type Begun,
  placeOfBackup,
  type StoredLog,
  storeHeld,
  unpinning,
  withCopies,
  writeBackup,
} from './backup-steps.ts';
import type { Engine } from './engine.ts';

const CHECKING = 'checking server, repository, timeline and volume';

/** Backs up a running server from a snapshot of the volume that its data lie on: the snapshot is gone whatever becomes of the run. */
export async function snapshotBackup(input: SnapshotBackupInput, engine: Engine): Promise<SnapshotBackupResult> {
  const { database, repository, mark } = input;
  const place = await placeOfBackup(engine);
  engine.phase(CHECKING);
  const check = async (): Promise<void> => {
    await engine.steps(place).checkBackup({ database, repository, mark });
    await checked(input, engine, place);
  };
  const backedUp = await engine.onceReady(place, check, () => engine.exclusive(place, () => backUp(input, engine, place)));
  return withCopies(engine, place, backedUp);
}

async function checked({ database, snapshot, stream }: SnapshotBackupInput, engine: Engine, place: Place): Promise<SnapshotKind> {
  const { kind } = await engine.steps(place).checkSnapshot({ database, snapshot, stream });
  return kind;
}

/** The exclusive part: whoever calls it holds the database's lock. */
async function backUp(input: SnapshotBackupInput, engine: Engine, place: Place): Promise<BackedUpOnce<SnapshotBackupResult>> {
  const { database, repository, mark } = input;
  engine.phase(CHECKING);
  const kind = await checked(input, engine, place);
  const startedAtMs = engine.now();
  const prepared = await engine.steps(place).prepareBackup({ database, kind, startedAtMs, repository, mark });
  const begun: Begun = { engine, place, kind, startedAtMs, mark };
  return unpinning(begun, prepared.timeline, async () => {
    const { log, snapshot, stored } = await storeSnapshot(begun, prepared, input.stream === true);
    return { ...(await writeBackup(begun, prepared, { ...log, stored })), snapshot, stream: streamOf(stored) };
  });
}

type HeldSnapshot = { log: StoredLog; snapshot: SnapshotFacts; stored: VolumeStored | undefined };

/** Holds the snapshot no longer than its bytes are read: while it is there, each write of the server costs a second one. */
async function storeSnapshot(begun: Begun, prepared: PreparedBackup, withStream: boolean): Promise<HeldSnapshot> {
  const { engine, place } = begun;
  const { database } = engine;
  const { timeline, repository, label } = prepared;
  let stored: VolumeStored | undefined;
  let facts: SnapshotFacts | undefined;
  try {
    engine.phase('taking a snapshot of the volume');
    const { snapshot, ...held } = await engine.lockedTransfers(place).takeSnapshot({ database, repository, timeline });
    const whenStored = async (): Promise<void> => {
      if (withStream) {
        engine.phase('storing the stream of the whole volume');
        stored = await engine.lockedTransfers(place).storeVolume({ database, repository, label, fenceKey: held.fenceKey });
      }
      engine.phase('removing the snapshot');
      const { usedPercent, droppedAtMs } = await engine.steps(place).dropSnapshot({ database });
      const { takenAtMs, ...named } = snapshot;
      facts = { ...named, usedPercent, heldMs: droppedAtMs - takenAtMs };
    };
    const log = await storeHeld(begun, prepared, { timeline, ...held, whenStored });
    return { log, snapshot: facts as SnapshotFacts, stored };
  } finally {
    if (facts === undefined) await engine.compensate('removing the snapshot', () => engine.cleanups(place).dropSnapshot({ database }));
  }
}

function streamOf(stored: VolumeStored | undefined): StreamFacts | undefined {
  if (stored === undefined) return undefined;
  const { volume, storedBytes } = stored;
  return { streamBytes: volume.streamBytes, storedBytes };
}
