/** What verbs answer where all goes well. */
import type { RotatedBatch } from '../../src/activities/rotation/rotate-objects.ts';
import type { Activities } from '../../src/activities/activities.ts';
import type { ArchivedExtents } from '../../src/contract/archive-wal.ts';
import type { PlannedInstance } from '../../src/activities/instance/plan-instance.ts';
import type { FoundPoint } from '../../src/activities/recovery-point/find-point.ts';
import type { PlannedRestore } from '../../src/activities/restore/plan-restore.ts';
import type { Candidate } from '../../src/activities/recovery/recovery-candidates.ts';
import type { DigestedState } from '../../src/activities/backup/digest-state.ts';
import type { WrittenManifest } from '../../src/activities/backup/write-manifest.ts';
import type { WalOffsetText } from '../../src/core/wal/wal-offset.ts';

export const LABEL = '20261124T101500Z-hot';
export const COLD_LABEL = '20261124T101500Z-cold';
export const DIGEST = 'ab'.repeat(32);

export const extents = {
  segments: 1,
  first: '0000000000000001',
  last: '0000000000000001',
  end: '1099511628276' as WalOffsetText,
  sizeBytes: 500,
};
const counts = { records: 19, machines: 1, instances: 2 };

export const manifest: WrittenManifest = {
  kind: 'hot',
  label: LABEL,
  repository: 'local',
  timeline: '0001',
  extents,
  ...counts,
  stateDigest: DIGEST,
  restorable: 'from-log',
  pin: 'links',
  piecesStored: 1,
  bytesStored: 200,
  bytesPlain: 500,
  warnings: [],
};

/** What the verbs `storeArchive` and `exportArchive` tell. */
export const IMPORTED = { ...manifest, kind: 'import' as const, label: '20260921T134640Z-import', timeline: '0002', isThere: false };
export const EXPORTED = {
  ...{ timeline: '0001', sizeBytes: 300, sha256: 'ba'.repeat(32), extents },
  ...{ ...counts, stateDigest: DIGEST, warnings: [] },
};

/** The state of a backup's log, as the verb `digestState` tells it. */
export const DIGESTED: DigestedState = {
  ...{ stateDigest: DIGEST, machines: 1, instances: 2, recordsReplayed: 19 },
  ...{ restorable: 'from-log', comparison: null, warnings: [] },
};

/** A restore's plan, as the verb `planRestore` tells it. */
export const PLANNED: PlannedRestore = {
  label: LABEL,
  repository: 'local',
  dataDir: '/data',
  fromTimeline: '0001',
  extents,
  ...counts,
  stateDigest: DIGEST,
  planKey: 'databases/orders/plans/run/restore.json',
  planHash: 'cd'.repeat(32),
  warnings: [],
};

/** A point of the history, as the verb `findPoint` tells it. */
export const POINT: FoundPoint = {
  label: LABEL,
  timeline: '0001',
  repository: 'local',
  ...counts,
  stateDigest: DIGEST,
  pointKey: 'databases/orders/plans/run/point.json',
  end: '1099511628200' as WalOffsetText,
  sinceMs: 1_795_000_000_000,
  untilMs: 1_795_000_900_000,
  warnings: [],
};

/** What the verb `planInstance` tells. */
export const PLANNED_INSTANCE: PlannedInstance = {
  instance: 'o-17',
  machine: 'order',
  version: 1,
  state: 'paid',
  ctxSha256: DIGEST,
  events: 2,
  createdAt: '1099511627900',
  repository: 'local',
  label: LABEL,
  timeline: '0001',
  end: '1099511628200',
  putsMachine: false,
  isThere: false,
  planKey: 'databases/orders/plans/run/instance.json',
  planHash: 'ab'.repeat(32),
  warnings: [],
};

const nobody = { count: 0, first: [] };

/** What the verb `explainPoint` tells. */
export const EXPLANATION: Awaited<ReturnType<Activities['explainPoint']>> = {
  lastRecords: [],
  nextRecord: null,
  difference: {
    machinesAdded: nobody,
    machinesRemoved: nobody,
    machinesChanged: nobody,
    instancesCreated: { count: 1, first: ['o-17'] },
    instancesChanged: nobody,
    instancesDeleted: nobody,
  },
  warnings: [],
};

/** What the archive holds. */
export const ARCHIVED: ArchivedExtents = { timeline: '0001', extents };

/** What names a recovery's request, where operators have to sign. */
export const REQUEST_HASH = 'ef'.repeat(32);

/** The verbs of a backup under the lock, in their order. */
export const BACKED_UP = ['prepareBackup', 'pinWal', 'storeSegments', 'digestState', 'storeAttachments', 'writeManifest', 'unpinWal'];

/** A state that a recovery can try. */
export const CANDIDATE: Candidate = { label: LABEL, repository: 'local', extents, records: counts.records, createdAtMs: 1_795_000_000_000 };

export const row = {
  kind: 'hot' as const,
  label: LABEL,
  isInUse: true,
  createdAtMs: 1_795_000_000_000,
  bytesStored: 200,
  timeline: '0001',
  extents,
  ...counts,
  stateDigest: DIGEST,
  restorable: 'from-log' as const,
};

/** What the verb `describeProtection` tells. */
export const PROTECTION = {
  repository: 'local',
  owner: { agent: 'db1', installationId: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff', generation: 1 },
  timelines: 1,
  history: [{ timeline: '0001', parent: null, standing: 'inUse' as const, end: extents.end, backups: 1, writtenAtMs: row.createdAtMs }],
  window: {
    timeline: '0001',
    offsets: { from: '1099511627776' as WalOffsetText, to: '1099511628276' as WalOffsetText },
    times: { sinceMs: row.createdAtMs, untilMs: row.createdAtMs },
    holes: [],
    lost: null,
    archive: null,
  },
  marks: 0,
  marked: [],
  held: [],
  copies: [{ repository: 'local', newest: { label: LABEL, createdAtMs: row.createdAtMs, end: '1099511628276' as WalOffsetText } }],
  backups: 1,
  latest: row,
  freeBytes: null,
  lastVerified: null,
  tested: null,
  testFailed: null,
  untested: [LABEL],
  restorable: row,
  schedule: { id: 'rstow-orders-hotBackup', everyMs: 1e12, isPaused: false },
  lastBackup: null,
  archive: { phase: 'following the log' },
};

/** What the verb `inspectHost` tells. */
export const HOST: Awaited<ReturnType<Activities['inspectHost']>> = {
  server: { compaction: { isOn: false, source: { kind: 'default' } }, guard: { kind: 'waiting' } },
  replaced: [],
};

const same = { count: 0, first: [] };

/** What the verb `surveyRestart` tells of a server that can be restarted. */
export const RESTART: Awaited<ReturnType<Activities['surveyRestart']>> = {
  segments: 1,
  sizeBytes: 500,
  records: 19,
  stateBytes: 200,
  lastSegmentBytes: 500,
  compared: {
    kind: 'instances',
    shown: 2,
    machines: { lacking: same, unshown: same },
    instances: { lacking: same, outdated: same, unshown: same },
  },
};

/** What the verb `surveyHost` tells of a host that has enough of everything. */
export const SURVEYED_HOST: Awaited<ReturnType<Activities['surveyHost']>> = {
  facts: {
    guard: {
      state: { kind: 'on', timeline: '0001', pinned: 1, unpinned: 0, missing: [], lost: [], lostSinceMs: null, keptBytes: 0 },
      isCompactionOn: true,
      budgetBytes: 1e9,
    },
    settings: {
      fsync: { policy: 'every_write', source: 'the server’s default' },
      metrics: { isOn: false, source: 'the server’s default' },
      flushAll: { isOn: false, source: 'the server’s default' },
    },
    instances: 2,
    replication: { role: 'standalone' },
    log: { sizeBytes: 500, growthPerDayBytes: 500 },
    disk: { freeBytes: 1e12, pinnedBytes: 0 },
    memory: { neededBytes: 7e7, availableBytes: 8e9 },
  },
  limits: { verifiedWithinMs: 1e12, testedWithinMs: 1e12 },
};

/** What the verb `storeVolume` tells. */
export const STORED_VOLUME: Awaited<ReturnType<Activities['storeVolume']>> = {
  attachment: { name: 'volume.zfs', sizeBytes: 4096, sha256: DIGEST },
  storedBytes: 900,
  volume: {
    kind: 'zfs',
    name: 'volume.zfs',
    dataset: 'tank/orders',
    snapshot: 'rstow-orders-run',
    dataPath: '',
    streamBytes: 4000,
  },
};

/** What the verb `planVolume` tells of any dataset. */
export const PLANNED_VOLUME: Omit<Awaited<ReturnType<Activities['planVolume']>>, 'dataset'> = {
  label: LABEL,
  repository: 'local',
  dataDir: '/tank/copy',
  timeline: '0001',
  extents,
  ...counts,
  stateDigest: DIGEST,
  streamBytes: 4000,
};

/** What is to be rotated, as the verb `planRotation` tells it, and one batch of it. */
export const PLANNED_ROTATION = {
  repository: 'local',
  suffix: '.zst.1f00d5ee.age',
  objects: 100,
  sizeBytes: 500_000,
  sets: [{ suffix: '.zst.0badc0de.age', objects: 100, newestKey: 'databases/orders/wal/0001/newest.wal.zst.0badc0de.age' }],
};
export const ROTATED: RotatedBatch = {
  planKey: 'databases/orders/plans/run/rotated-1.json',
  rotated: 100,
  bytesStored: 500_000,
  failed: 0,
  firstFailed: [],
};
/** What the verb `copyToRepository` tells of a repository that has all by now. */
export const FILLED = { copied: 3, repaired: 0, there: 9, expired: 0, bytesStored: 700, failures: [], away: [], isUnfinished: false };

export const PLANNED_EXPIRY = {
  repository: 'local',
  planKey: 'databases/orders/plans/run/expiry.json',
  planHash: DIGEST,
  keep: [{ label: LABEL, why: ['the newest'] }],
  expire: [{ label: '20261001T101500Z-hot', why: '54 days old, and no rule keeps it' }],
  keepCount: 1,
  expireCount: 1,
};

export const REMOVED = { manifests: 1, pieces: 3, superseded: 1, others: 2, bytes: 4_000, stays: [] };
