import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from './random.ts';
import { objectText } from './server-json.ts';
import type { InstanceState } from './server-state.ts';

const CREATED_AT_MS = 1_740_000_000_000;

export type SnapshotSource = InstanceState & { id: string; walOffset: bigint };

/** One file for each instance, as COMPACT leaves them; without the index. @see rstmdb-storage 0.3.0 src/snapshot.rs create_snapshot */
export function writeSnapshots(snapshotsDir: string, instances: Iterable<SnapshotSource>, seed: number): number {
  mkdirSync(snapshotsDir, { recursive: true });
  const random = createRandom(seed);
  let files = 0;
  for (const instance of instances) {
    const snapshotId = `snap-${uuidOf(random.hex(4))}`;
    writeFileSync(join(snapshotsDir, `${snapshotId}.snap`), snapshotText(snapshotId, instance));
    files += 1;
  }
  return files;
}

/** Pretty-printed, its own members in the order of their declaration and the context's sorted. */
function snapshotText(snapshotId: string, { id, machine, version, state, ctx, walOffset }: SnapshotSource): string {
  const sortedCtx = JSON.parse(objectText(ctx)) as unknown;
  const head = { snapshot_id: snapshotId, instance_id: id, machine, version, state, ctx: sortedCtx };
  const text = JSON.stringify({ ...head, wal_offset: '', created_at: CREATED_AT_MS }, undefined, 2);
  return text.replace('"wal_offset": ""', `"wal_offset": ${walOffset}`);
}

function uuidOf(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
