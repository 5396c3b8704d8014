/** One round of the proof that a hot backup holds everything that was acknowledged before it began, byte for byte. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { DatabaseConfig } from '../../src/config/agent-config.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { headerFault, RECORD_HEADER_SIZE_BYTES, recordSizeBytes } from '../../src/core/wal/record.ts';
import { positionBytesOf, segmentFileName, segmentOf } from '../../src/core/wal/wal-offset.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance, getInstance } from '../../src/io/rstmdb/instances.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';
import { DATABASE } from './database-stack.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { type AcknowledgedWrite, startLoadWriters } from './load-writers.ts';
import { startRstmdb } from './rstmdb-server.ts';
import type { Scene } from './scene.ts';

const WRITERS = 16;
/** How much a round writes before its backup begins: with what follows about a 4 MB segment, so that segments rotate. */
const WRITES_BEFORE = 5000;

export type BoundsRound = {
  label: string;
  segments: number;
  /** In the backup, and those of them that were looked up one by one because they had been acknowledged before it. */
  records: number;
  recordsChecked: number;
  bytesCompared: number;
  /** Acknowledged while the backup ran: nothing is promised of them. */
  writtenMeanwhile: number;
  backupMs: number;
  restoreMs: number;
};

/** Which backup a round takes, and how much is written before it begins. */
export type RoundBackup = { type: 'hotBackup' | 'snapshotBackup'; input: Record<string, unknown>; writesBefore: number };

const HOT_ROUND: RoundBackup = { type: 'hotBackup', input: {}, writesBefore: WRITES_BEFORE };

/** `earlier` collects the acknowledged writes of all rounds on one scene. Throws on the first promise that doesn't hold. */
export async function boundsRound(
  scene: Scene,
  earlier: AcknowledgedWrite[],
  { type, input, writesBefore }: RoundBackup = HOT_ROUND,
): Promise<BoundsRound> {
  const { stack, temporal } = scene;
  const load = await startLoadWriters({ address: stack.address, writers: WRITERS, prefix: `after-${earlier.length}` });
  await load.acknowledgedAtLeast(writesBefore);
  const promised = [...earlier, ...load.result.acknowledged];
  const backup = await temporal.execute<HotBackupResult>(type, { database: DATABASE, ...input });
  const { acknowledged, refused } = await load.stop();
  assert.deepEqual(
    [...refused.keys()].filter((code) => code !== 'WAL_IO_ERROR'),
    [],
  );
  const writtenMeanwhile = earlier.length + acknowledged.length - promised.length;
  assert.ok(writtenMeanwhile > 0, 'the writers wrote while the backup ran');
  earlier.push(...acknowledged);

  const dataDir = join(stack.folder, `copy-of-${backup.label!}`);
  const restored = await temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: backup.label, to: { dataDir } });
  const wal = await readWal(join(dataDir, 'wal'));
  const bytesCompared = await requireLiveBytes(wal, stack.walDir);
  assert.equal(bytesCompared, backup.extents!.sizeBytes);
  for (const write of promised) requireWrite(wal, write);
  await requireOneState(scene, { backup, restored, dataDir });
  await rm(dataDir, { recursive: true });
  const { label, records, durationMs: backupMs } = backup;
  return {
    ...{ label: label!, segments: wal.size, records: records!, recordsChecked: promised.length, bytesCompared, writtenMeanwhile },
    ...{ backupMs: backupMs!, restoreMs: restored.durationMs! },
  };
}

export type Wal = Map<string, Buffer>;

export async function readWal(walDir: string): Promise<Wal> {
  const fileNames = (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort();
  return new Map(await Promise.all(fileNames.map(async (name) => [name, await readFile(join(walDir, name))] as const)));
}

/** A log only grows: what was restored is how the live files begin. Gives how many bytes were compared. */
export async function requireLiveBytes(restored: Wal, liveWalDir: string): Promise<number> {
  let comparedBytes = 0;
  for (const [name, bytes] of restored) {
    const live = await readFile(join(liveWalDir, name));
    assert.ok(live.subarray(0, bytes.length).equals(bytes), `${name} has the live file's bytes`);
    comparedBytes += bytes.length;
  }
  return comparedBytes;
}

/** The record stands whole where the server said that it would, and says what was written. */
export function requireWrite(wal: Wal, { offset, written }: AcknowledgedWrite): void {
  const name = segmentFileName(segmentOf(offset));
  const at = positionBytesOf(offset);
  const bytes = wal.get(name) ?? Buffer.alloc(0);
  assert.ok(at + RECORD_HEADER_SIZE_BYTES <= bytes.length, `${name} has the record at byte ${at}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert.equal(headerFault(view, at), undefined);
  const payload = bytes.subarray(at + RECORD_HEADER_SIZE_BYTES, at + recordSizeBytes(view, at));
  assert.equal(payload.length, recordSizeBytes(view, at) - RECORD_HEADER_SIZE_BYTES, `${name} has the whole record at byte ${at}`);
  const members = JSON.parse(payload.toString()) as Record<string, unknown>;
  for (const [key, value] of Object.entries(written)) assert.deepEqual(members[key], value, `${key} of the record at ${offset}`);
}

/** The manifest's digest is that of a replay of what is stored, and that of a real server on the restored copy. */
async function requireOneState(
  { stack, temporal }: Scene,
  { backup, restored, dataDir }: { backup: HotBackupResult; restored: RestoreResult; dataDir: string },
): Promise<void> {
  const verified = await temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE, backup: backup.label });
  assert.equal(verified.stateDigest, backup.stateDigest);
  assert.equal(verified.records, backup.records);
  assert.equal(restored.rehearsal, 'passed');
  const first = await startRstmdb({ dataDir });
  try {
    const settings: DatabaseConfig = { ...stack.settings, server: { ...stack.settings.server, address: first.address } };
    const live = await liveDigest(settings, stack.config.timing, new AbortController().signal);
    assert.equal(live.stateDigest, backup.stateDigest);
    const { machine, version } = ORDER_MACHINE;
    await withClient(first.address, (client) => createInstance(client, { id: 'written-on-the-copy', machine, version }));
  } finally {
    await first.stop();
  }
  for (const ending of ['SIGKILL', 'SIGINT'] as const) await requireSurvives(dataDir, ending);
}

/** The copy is a database like any other: what is written on it is there after its restarts. */
async function requireSurvives(dataDir: string, ending: NodeJS.Signals): Promise<void> {
  const server = await startRstmdb({ dataDir });
  try {
    const instance = await withClient(server.address, (client) => getInstance(client, 'written-on-the-copy'));
    assert.equal(instance?.state, 'created');
  } finally {
    await server.stop(ending);
  }
}

async function withClient<Answer>(address: string, ask: (client: RstmdbClient) => Promise<Answer>): Promise<Answer> {
  const client = await connectRstmdb({ address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
  try {
    return await ask(client);
  } finally {
    await client.close();
  }
}
