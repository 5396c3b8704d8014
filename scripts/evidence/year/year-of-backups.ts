/** Writes a repository as a year of backups leaves it, in the real format, without a server: one backup each 15 minutes, each checked once a day. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backupLabel, positionKey } from '../../../src/core/backup/label.ts';
import { backupKey, factKey, manifestKey } from '../../../src/core/repository/object-keys.ts';
import { planMerges } from '../../../src/core/repository/merge-plan.ts';
import { makeSegmentId, type SegmentId } from '../../../src/core/wal/wal-offset.ts';
import { labelClaimSchema } from '../../../src/formats/repository/history.ts';
import { type Manifest, type ManifestRange, manifestSchema } from '../../../src/formats/repository/manifest.ts';
import { verificationSchema } from '../../../src/formats/repository/facts.ts';
import { sealedBytes, type SealedSchema } from '../../../src/io/repository/sealed-object.ts';
import { positionOf } from '../../../src/store/manifests.ts';

export const BACKUPS_A_YEAR = 35_040;
const INTERVAL_MS = 15 * 60_000;

const SEGMENT_BYTES = 64 * 1024 * 1024;
const RECORD_BYTES = 200;
const FIRST_MS = Date.UTC(2026, 0, 1);
const VERIFIED_EACH = 96;
/** The first one of a database. */
const TIMELINE = '0001';

export type Year = {
  root: string;
  database: string;
  backups: number;
  /** Of new log that each backup finds. */ bytesEach: number;
};

/** Gives the newest manifest. The folder must be a repository in which the database and its timeline are claimed. */
export async function writeYear(year: Year): Promise<Manifest> {
  const { root, database, backups } = year;
  const put = objectWriter(root);
  const log = createLog();
  let newest: Manifest | undefined;
  for (let number = 0; number < backups; number += 1) {
    log.grow(year.bytesEach);
    newest = manifestOf(year, number, log.segments());
    const { label, runId } = newest;
    const claim = { format: 1 as const, runId };
    const verified = { format: 1 as const, label, level: 'records' as const, atMs: newest.writtenAtMs, runId, held: true };
    await Promise.all([
      put(positionKey(database, positionOf(newest)), labelClaimSchema, claim),
      put(manifestKey(database, label), manifestSchema, newest),
      writeObject(root, backupKey(database, label, 'machines.json.zst'), Buffer.alloc(300)),
      number % VERIFIED_EACH === 0
        ? put(factKey(database, { ...verified, kind: 'verification', outcome: 'held' }), verificationSchema, verified)
        : undefined,
    ]);
  }
  return newest as Manifest;
}

function manifestOf({ database }: Year, number: number, segments: Manifest['segments']): Manifest {
  const createdAtMs = FIRST_MS + number * INTERVAL_MS;
  const runId = `${String(number).padStart(8, '0')}-0000-4000-8000-000000000000`;
  const records = segments.reduce((sum, { ranges }) => sum + ranges.reduce((inner, range) => inner + range.records, 0), 0);
  const none = { count: 0, first: [] };
  return {
    format: 1,
    label: backupLabel(createdAtMs, 'hot', 1),
    kind: 'hot',
    database,
    timeline: TIMELINE,
    runId,
    workflowId: `rstow-${database}-hotBackup-${number}`,
    createdAtMs,
    writtenAtMs: createdAtMs + 2_000,
    serverVersion: '0.3.0',
    ownership: { uid: 1000, gid: 1000, folderMode: 0o750, fileMode: 0o640 },
    segments,
    records,
    machines: 3,
    instances: Math.ceil(records / 10),
    stateDigest: hashOf(`state ${number}`),
    bytesStored: 20_000,
    restorable: 'from-log',
    comparison: { kind: 'counts', shown: Math.ceil(records / 10), lacking: none, outdated: none, unshown: none },
    pin: 'links',
    attachments: [{ name: 'machines.json', sizeBytes: 300, sha256: hashOf('machines') }],
    warnings: [],
  };
}

type Log = { grow(bytes: number): void; segments(): Manifest['segments'] };

/** Merges its ranges as a backup merges its pieces. */
function createLog(): Log {
  const segments: { segment: SegmentId; ranges: ManifestRange[] }[] = [];
  return {
    grow(bytes) {
      let last = segments.at(-1);
      if (last === undefined || endOf(last.ranges) >= SEGMENT_BYTES) {
        if (last !== undefined) last.ranges = merged(last.ranges, true);
        last = { segment: makeSegmentId(segments.length + 1) as SegmentId, ranges: [] };
        segments.push(last);
      }
      const startBytes = endOf(last.ranges);
      last.ranges = merged([...last.ranges, rangeOf(startBytes, Math.min(SEGMENT_BYTES, startBytes + bytes))], false);
    },
    segments: () => segments.map(({ segment, ranges }) => ({ segment, ranges: [...ranges] })),
  };
}

function merged(ranges: readonly ManifestRange[], isSealed: boolean): ManifestRange[] {
  const kept = [...ranges];
  for (const group of planMerges(ranges, isSealed)) {
    const [first, last] = [group[0] as ManifestRange, group.at(-1) as ManifestRange];
    kept.splice(kept.indexOf(first), group.length, rangeOf(first.startBytes, last.endBytes));
  }
  return kept;
}

function rangeOf(startBytes: number, endBytes: number): ManifestRange {
  const records = Math.ceil((endBytes - startBytes) / RECORD_BYTES);
  return { timeline: TIMELINE, startBytes, endBytes, sha256: hashOf(`${startBytes}-${endBytes}`), records };
}

const endOf = (ranges: readonly ManifestRange[]): number => ranges.at(-1)?.endBytes ?? 0;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

type Put = <Value>(key: string, schema: SealedSchema<Value>, value: Value) => Promise<void>;

/** Nothing is synced: a year of syncs would take an hour. */
function objectWriter(root: string): Put {
  return (key, schema, value) => writeObject(root, key, sealedBytes({}, key, { schema, value }));
}

async function writeObject(root: string, key: string, bytes: Uint8Array): Promise<void> {
  const path = join(root, key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
