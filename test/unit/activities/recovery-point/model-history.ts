/** Logs of model entries that are stored as one backup has them, and points in them. */
import { storePiece } from '../../../../src/activities/backup/piece-store.ts';
import { findPoint, type FoundPoint } from '../../../../src/activities/recovery-point/find-point.ts';
import type { Warning } from '../../../../src/contract/result.ts';
import type { RecoveryTarget } from '../../../../src/core/recovery/target.ts';
import { encodeRecord, recordTypes } from '../../../../src/core/wal/record.ts';
import { makeSegmentId, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import type { Manifest } from '../../../../src/formats/repository/manifest.ts';
import { crc32c } from '../../../../src/io/checksum/checksum.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { claimOwnership } from '../../../../src/store/ownership.ts';
import { modelDigest, type ModelEntry } from '../../../fixtures/wal/state-model.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, OWNER, runOf, type Scene } from '../scene.ts';

const TYPES = { create_instance: 2, apply_event: 3, delete_instance: 4, checkpoint: recordTypes.checkpoint };

/** The entries of each segment. */
export type Log = {
  segments: readonly (readonly ModelEntry[])[];
  missing?: readonly number[];
  /** Of all records; 1, 2, 3 if absent. */ numbers?: readonly number[];
  warnings?: Warning[];
};
export type Placed = { entry: ModelEntry; segment: SegmentId; startBytes: number; endBytes: number };

export function recordOf(entry: ModelEntry, sequence: number): Uint8Array {
  return encodeRecord({ type: TYPES[entry.type], sequence, payload: Buffer.from(JSON.stringify(entry)) }, crc32c);
}

/** Stores the log as one backup has it; gives where its records lie. */
export async function storeLog(scene: Scene, { segments, missing = [], numbers = [], warnings = [] }: Log): Promise<Placed[]> {
  const { deps, repository, writeSegment } = scene;
  await claimOwnership(repository, DATABASE, OWNER);
  const placed: Placed[] = [];
  const stored: Manifest['segments'] = [];
  for (const [index, entries] of segments.entries()) {
    const segment = makeSegmentId(index + 1)!;
    const records = entries.map((entry, own) => {
      const sequence = numbers[placed.length + own] ?? placed.length + own + 1;
      return recordOf(entry, sequence);
    });
    let startBytes = 0;
    for (const [own, record] of records.entries()) {
      placed.push({ entry: entries[own]!, segment, startBytes, endBytes: startBytes + record.length });
      startBytes += record.length;
    }
    if (missing.includes(segment)) continue;
    const path = await writeSegment(Buffer.concat(records), segment);
    if (entries.length === 0) {
      stored.push({ segment, ranges: [] });
      continue;
    }
    const target = { store: await deps.openStore(DATABASE), timeline: '0001', runId: 'backup' };
    const { signal } = new AbortController();
    const { sha256, endBytes, ...content } = await storePiece(target, segment, {
      path,
      startBytes: 0,
      targetBytes: startBytes,
      tornTailMs: 0,
      signal,
    });
    stored.push({ segment, ranges: [{ timeline: '0001', startBytes: 0, endBytes, sha256, records: content.records }] });
  }
  const { digest, instances } = modelDigest(segments.flat());
  await putManifest(repository, {
    ...manifest,
    segments: stored,
    records: placed.length,
    machines: 0,
    instances,
    stateDigest: digest,
    warnings,
  });
  return placed;
}

let runs = 0;
export const find = (scene: Scene, target: RecoveryTarget, timeline?: string): Promise<FoundPoint> =>
  findPoint(scene.deps)({ database: DATABASE, target, timeline }, runOf(`run-${(runs += 1)}`));

export const created = (id: string): ModelEntry => ({
  type: 'create_instance',
  instance_id: id,
  machine: 'order',
  version: 1,
  initial_state: 'created',
  initial_ctx: null,
});

export const TWO_SEGMENTS: Log = { segments: [[created('a'), created('b')], [created('c')], [created('d')]] };

/** An earlier backup, of the first segments alone. */
export async function storeEarlier(scene: Scene, segmentCount: number, changes: Partial<Manifest>): Promise<Manifest> {
  const { segments } = await (await scene.deps.openStore(DATABASE)).backups.read(manifest.label);
  const earlier = { ...manifest, runId: 'earlier', segments: segments.slice(0, segmentCount), ...changes };
  return putManifest(scene.repository, earlier);
}
