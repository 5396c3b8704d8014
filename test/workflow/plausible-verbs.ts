/** What each verb answers where all goes well. */
import type { Activities } from '../../src/activities/activities.ts';
import type { Place } from '../../src/activities/catalogue/locate.ts';
import type { PlannedInstance } from '../../src/activities/instance/plan-instance.ts';
import type { FoundPoint } from '../../src/activities/recovery-point/find-point.ts';
import type { PlannedRestore } from '../../src/activities/restore/plan-restore.ts';
import type { Candidate } from '../../src/activities/recovery/recovery-candidates.ts';
import type { DigestedState } from '../../src/activities/backup/digest-state.ts';
import type { WrittenManifest } from '../../src/activities/backup/write-manifest.ts';
import type { WalOffsetText } from '../../src/core/wal/wal-offset.ts';

export const LABEL = '20261124T101500Z-hot';
export const DIGEST = 'ab'.repeat(32);

const extents = {
  segments: 1,
  first: '0000000000000001',
  last: '0000000000000001',
  end: '1099511628276' as WalOffsetText,
  sizeBytes: 500,
};
const counts = { records: 19, machines: 1, instances: 2 };

const manifest: WrittenManifest = {
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

/** What names a recovery's request, where operators have to sign. */
export const REQUEST_HASH = 'ef'.repeat(32);

/** The verbs of a backup under the lock, in their order. */
export const BACKED_UP = ['prepareBackup', 'pinWal', 'storeSegments', 'digestState', 'storeAttachments', 'writeManifest', 'unpinWal'];

/** A state that a recovery can try. */
export const CANDIDATE: Candidate = { label: LABEL, repository: 'local', extents, records: counts.records, createdAtMs: 1_795_000_000_000 };

const row = {
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
  history: [
    {
      timeline: '0001',
      parent: null,
      standing: 'inUse' as const,
      end: '1099511628276' as WalOffsetText,
      backups: 1,
      writtenAtMs: row.createdAtMs,
    },
  ],
  window: {
    timeline: '0001',
    offsets: { from: '1099511627776' as WalOffsetText, to: '1099511628276' as WalOffsetText },
    times: { sinceMs: row.createdAtMs, untilMs: row.createdAtMs },
    holes: [],
    lost: null,
  },
  marks: 0,
  marked: [],
  copies: [{ repository: 'local', newest: { label: LABEL, createdAtMs: row.createdAtMs, end: '1099511628276' as WalOffsetText } }],
  backups: 1,
  latest: row,
  freeBytes: null,
  tested: null,
  testFailed: null,
  untested: [LABEL],
  restorable: row,
  schedule: { id: 'rstow-orders-hotBackup', everyMs: 1e12, isPaused: false },
  lastBackup: null,
};

/** What the verb `inspectHost` tells. */
export const HOST: Awaited<ReturnType<Activities['inspectHost']>> = {
  server: { compaction: { isOn: false, source: { kind: 'default' } } },
  replaced: [],
};

export type OwnVerbs = Pick<Activities, 'findLockHolder'> & { place: () => Place };

/** The verbs of the workflows that these tests run. */
export type PlausibleVerbs = ReturnType<typeof plausibleVerbs>;

export function plausibleVerbs({ place, findLockHolder }: OwnVerbs) {
  const nothing = async (): Promise<void> => undefined;
  return {
    locateDatabase: async () => place(),
    locateAgent: async () => place(),
    locateAnyAgent: async () => place(),
    locateStandby: async () => place(),
    knowDatabase: async () => ({ isListed: true, databases: ['orders'], probeMs: 4_000 }),
    findStaleServer: async () => null,
    findLockHolder,
    checkBackup: nothing,
    prepareBackup: async () => ({ repository: 'local', label: LABEL, timeline: '0001', serverVersion: '0.3.0', warnings: [] }),
    pinWal: async () => ({ fenceKey: 'databases/orders/plans/run/fence.json', pin: 'links', segments: 1, sizeBytes: 500 }),
    storeSegments: async () => ({ extentsKey: 'databases/orders/plans/run/extents.json', healed: 0, warnings: [] }),
    storeAttachments: async () => ({ attachments: [], warnings: [] }),
    digestState: async () => DIGESTED,
    writeManifest: async () => manifest,
    closeHealed: nothing,
    unpinWal: nothing,
    chooseBackup: async () => ({ label: LABEL, repository: 'local' }),
    verifyStoredBackup: async () => ({ pieces: 1, records: 19, bytesRead: 200, bytesPlain: 500, stateDigest: DIGEST, warnings: [] }),
    findAlternative: async () => null,
    recordVerification: async () => [],
    inspectLiveDatabase: async () => ({ isUp: false, isAsNew: false }),
    surveyData: async () => null,
    restartServer: async () => ({ kind: 'no', found: null, why: 'there is no log in /data' }),
    findCandidates: async () => ({ usable: [CANDIDATE], skipped: [], newest: CANDIDATE }),
    readOwnerGeneration: async () => 1,
    prepareHost: async () => ({ placed: [], warnings: [] }),
    endRunOfLostOwner: async () => null,
    endBackup: nothing,
    noteHistory: nothing,
    takeOwnership: async ({ fromGeneration }) => ({ generation: fromGeneration + 1 }),
    checkStart: async () => null,
    checkApproval: async ({ approval }) => ({ operatorsNeeded: 1, operators: [approval.by], requestHash: REQUEST_HASH, refusal: null }),
    findPoint: async () => POINT,
    explainPoint: async () => EXPLANATION,
    planInstance: async () => PLANNED_INSTANCE,
    applyInstance: async () => ({ lastOffset: '1099511629000' as WalOffsetText, warnings: [] }),
    findReplaced: async () => ({
      label: '20261124T101600Z-tail',
      repository: 'local',
      undoes: { runId: '3f2a91bc-0000-4000-8000-000000000000', safetyCopy: '/data/.rstow/restores/3f2a91bc/replaced' },
      warnings: [],
    }),
    planRestore: async ({ toDataDir = '/data' }) => ({ ...PLANNED, dataDir: toDataDir }),
    stageWal: async () => ({ timeline: '0002', records: 19, warnings: [] }),
    rehearse: async () => ({ rehearsal: 'passed', warnings: [] }),
    storeReplaced: async () => ({ warning: null }),
    nameSwap: async () => ({
      oldWal: { inode: '11' },
      newWal: { inode: '12' },
      stagedWal: '.rstow/restores/run/wal',
      replacedDir: '.rstow/restores/run/replaced',
    }),
    swapIn: async () => ({ downtimeMs: 5, replacedAt: '/data/.rstow/restores/run/replaced', savedAs: '20261124T101600Z-tail' }),
    rollBack: async () => ({ downtimeMs: 5, inPlace: 'replaced' }),
    verifyLive: async () => ({ warnings: [] }),
    placeElsewhere: nothing,
    clearStaging: nothing,
    chooseTestPoint: async () => ({ label: LABEL, repository: 'local', warnings: [] }),
    stageTest: async () => ({ extents, stateDigest: DIGEST, machines: 1, instances: 2, fetchMs: 20, replayMs: 30 }),
    testServer: async () => ({ assertionsHeld: 0, startMs: 40, compareMs: 5, writeMs: 1, restartsMs: 90 }),
    recordTest: nothing,
    clearTest: nothing,
    readBackups: async () => ({ repository: 'local', backups: [row], total: 1, unreadable: [], laterByClock: [] }),
    describeProtection: async () => PROTECTION,
    inspectHost: async () => HOST,
  } satisfies Partial<Activities>;
}
