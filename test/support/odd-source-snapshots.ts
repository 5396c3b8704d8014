/** Snapshots as rstmdb writes them, without its COMPACT, whose cost is quadratic in their number. */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '../../src/io/checksum/checksum.ts';

const WRITES_AT_ONCE = 200;

type SnapshotMeta = {
  snapshot_id: string;
  instance_id: string;
  wal_offset: number;
  created_at: number;
  size_bytes: number;
  checksum: string;
};

/**
 * Writes so many `.snap` files and the index that names them. The instances need not exist: the server never reads a
 * snapshot at its start. @see rstmdb-storage 0.3.0 src/snapshot.rs create_snapshot
 */
export async function writeSnapshots(dataDir: string, count: number): Promise<void> {
  const folder = join(dataDir, 'snapshots');
  await mkdir(folder, { recursive: true });
  const index: Record<string, SnapshotMeta> = {};
  for (let first = 0; first < count; first += WRITES_AT_ONCE) {
    const serials = Array.from({ length: Math.min(WRITES_AT_ONCE, count - first) }, (_, offset) => first + offset);
    const metas = await Promise.all(serials.map((serial) => writeSnapshot(folder, serial)));
    for (const meta of metas) index[meta.instance_id] = meta;
  }
  await writeFile(join(folder, 'index.json'), JSON.stringify(index, undefined, 2));
}

async function writeSnapshot(folder: string, serial: number): Promise<SnapshotMeta> {
  const place = { wal_offset: 2 ** 40, created_at: 1_700_000_000_000 + serial };
  const names = { snapshot_id: `snap-${randomUUID()}`, instance_id: `snapshot-of-${serial}` };
  const { snapshot_id, instance_id } = names;
  const snapshot = { snapshot_id, instance_id, machine: 'order', version: 1, state: 'created', ctx: { serial }, ...place };
  const data = Buffer.from(JSON.stringify(snapshot, undefined, 2));
  await writeFile(join(folder, `${snapshot_id}.snap`), data);
  return { ...names, ...place, size_bytes: data.length, checksum: crc32c(data).toString(16).padStart(8, '0') };
}
