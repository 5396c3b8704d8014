import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Extent, makeWalOffset } from '../../src/core/wal/wal-offset.ts';
import { orderOperations } from './orders.ts';
import { createServerState } from './server-state.ts';
import { type SnapshotSource, writeSnapshots } from './snapshot-writer.ts';
import { createWalWriter, type WalWriter } from './wal-writer.ts';

export type SizeName = 'S' | 'M' | 'L';

/** Decimal megabytes of log. */
export const SIZES_MB: Record<SizeName, number> = { S: 64, M: 514, L: 2003 };

const SEGMENT_SIZE_BYTES = 64 * 1024 * 1024;
const GROWTH = 0.01;
const SEED = 20260101;
const BYTES_PER_MB = 1_000_000;

/** A log of orders, and what it was before it grew by one in a hundred. */
export type DataSet = {
  walDir: string;
  snapshotsDir: string | undefined;
  base: Extent[];
  grown: Extent[];
  instances: number;
  snapshotFiles: number;
};

/** Writes it into an empty folder. The snapshots are those of the log before it grew. */
export function generateDataSet(dir: string, { sizeMb, withSnapshots }: { sizeMb: number; withSnapshots: boolean }): DataSet {
  const walDir = join(dir, 'wal');
  mkdirSync(walDir, { recursive: true });
  const wal = createWalWriter(walDir, SEGMENT_SIZE_BYTES);
  const log = createLog(wal);
  const base = log.growTo(sizeMb * BYTES_PER_MB);
  const instances = log.instanceCount();
  const snapshotsDir = withSnapshots ? join(dir, 'snapshots') : undefined;
  const snapshotFiles = snapshotsDir === undefined ? 0 : writeSnapshots(snapshotsDir, log.snapshots(), SEED);
  const grown = log.growTo(sizeOf(base) * (1 + GROWTH));
  wal.close();
  return { walDir, snapshotsDir, base, grown, instances, snapshotFiles };
}

type Log = { growTo(sizeBytes: number): Extent[]; instanceCount(): number; snapshots(): Iterable<SnapshotSource> };

function createLog(wal: WalWriter): Log {
  const server = createServerState();
  const offsets = new Map<string, bigint>();
  const operations = orderOperations(SEED);
  return {
    growTo(sizeBytes) {
      while (wal.sizeBytes() < sizeBytes) {
        const operation = operations.next().value;
        const payload = server.payloadOf(operation);
        const { segment, startBytes } = wal.append(payload);
        if ('id' in operation) offsets.set(operation.id, makeWalOffset(segment, startBytes));
      }
      return wal.extents();
    },
    instanceCount: () => server.instances.size,
    *snapshots() {
      for (const [id, instance] of server.instances) yield { id, ...instance, walOffset: offsets.get(id) ?? 0n };
    },
  };
}

export function sizeOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { endBytes }) => sum + endBytes, 0);
}
