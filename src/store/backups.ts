import { indexPrefix, positionKey, positionOfKey } from '../core/backup/label.ts';
import { lineageOf, type TimelineNode } from '../core/backup/history.ts';
import type { Selectable } from '../core/backup/selection.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { backupKey, labelClaimKey, labelOfClaimKey, labelsPrefix, manifestKey } from '../core/repository/object-keys.ts';
import type { SeenBackup } from '../formats/agent-state.ts';
import { labelClaimSchema } from '../formats/repository/history.ts';
import { type Manifest, manifestSchema } from '../formats/repository/manifest.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed, sealedBytes, unlessUnreadable } from '../io/repository/sealed-object.ts';
import {
  type BackupScope,
  findManifest,
  findNewest,
  isKnownLabel,
  findRollback,
  noteSeen,
  type ManifestState,
  manifestState,
  type NewestWanted,
  positionOf,
  type Positions,
  readableManifest,
  readHistory,
  readManifest,
  readPositions,
  type StoredBackups,
} from './manifests.ts';
import type { Ownership } from './ownership.ts';
import { inEachRepository, type StoreDeps } from './database-repositories.ts';
import { readTimelines, type Timelines } from './timelines.ts';

export type LabelClaim = { label: string; runId: string; claimedAtMs: number };

/** What was there, and a sentence. */
export type RolledBack = SeenBackup & { sentence: string };

/** Who has taken a label, and whether there is a backup of that name already. */
export type LabelHolder = { runId: string; manifest: Manifest | undefined };

/** `timeline`: of its backup, if that is known: where calls cost, its newest backups are known. */
export type NewLabel = { label: string; runId: string; timeline?: string | undefined };

/** The backups of a store, in the order of the history. */
export type Backups = {
  /** Listed once for the life of the store; reads no manifest but those of runs that were killed. */
  history(): Promise<StoredBackups>;
  /** Where each stands, in no order. @see readPositions */
  positions(): Promise<Positions>;
  /** All that can be named, the newest first. */
  selectable(): Promise<Selectable>;
  /** The manifest of `latest`, a label, or a label's unique beginning. Fails: backup-not-found, damaged-object, format-unsupported. */
  find(wanted: string): Promise<Manifest>;
  /** Fails: backup-not-found, damaged-object, format-unsupported. */
  read(label: string): Promise<Manifest>;
  /** Undefined if it is damaged, of a newer version, or gone by now. */
  readable(label: string): Promise<Manifest | undefined>;
  /** What is there of it, and if it can't be read, why. */
  state(label: string): Promise<ManifestState>;
  /** The newest readable backup of a timeline's history by another run: what it says of ranges needn't be read again. */
  newestOfTimeline(wanted: NewestWanted): Promise<Manifest | undefined>;
  /**
   * Whether the repository is older than this installation knows it: the newest backup that was there is gone. `newest` is one that was
   * just read. Fails: repository-unavailable.
   */
  rolledBack(newest?: Manifest): Promise<RolledBack | undefined>;
  /** The label of the newest backup that a restore takes; null if there is none. Reads manifests until one is found. */
  newestRestorable(): Promise<string | null>;
  /** Fails: wal-gap, naming the backup that can be restored instead. */
  requireRestorable(manifest: Manifest): Promise<void>;
  /** Takes the label for a run if nobody has it; false if it is another run's. Twice: the same answer. */
  claimLabel(claim: NewLabel): Promise<boolean>;
  /** Undefined if nobody has taken it. */
  holderOf(label: string): Promise<LabelHolder | undefined>;
  /** The labels that runs have taken and written no manifest under; `claimedAtMs` is by the repository's clock (Unix ms). */
  claims(): Promise<LabelClaim[]>;
  /** Gives back the label of an ended run, with what it has stored under it, unless the backup is there. Twice: no-op. */
  release(label: string): Promise<void>;
  /**
   * Makes the backup exist: its place first, then the manifest. Fails: label-taken, if another run has written one under
   * that label; object-too-large, and then nothing is written. Twice: the first manifest stands, and is given.
   */
  put(manifest: Manifest): Promise<Manifest>;
};

export function backupsOf(scope: BackupScope): Backups {
  const { repository, database } = scope;
  let listed: Promise<StoredBackups> | undefined;
  const history = (): Promise<StoredBackups> => (listed ??= readHistory(scope));
  const readable = (label: string): Promise<Manifest | undefined> => readableManifest(repository, database, label);
  const newest = async (): Promise<string | null> => firstRestorable((await history()).backups, readable);
  return {
    history,
    positions: () => readPositions(repository, database),
    selectable: async () => selectable(await history()),
    find: (wanted) => findManifest(scope, async () => selectable(await history()), wanted),
    read: (label) => readManifest(repository, database, label),
    readable,
    state: (label) => manifestState(repository, database, label),
    newestOfTimeline: (wanted) => findNewest(scope, wanted),
    rolledBack: (known) => rolledBack(scope, known),
    newestRestorable: newest,
    requireRestorable: (manifest) => requireRestorableOr(manifest, newest),
    claimLabel: (claim) => takeLabel(scope, claim),
    holderOf: (label) => holderOf(scope, label),
    claims: () => labelClaims(repository, database),
    release: (label) => releaseLabel(repository, database, label),
    put: async (manifest) => {
      const put = await putManifest(repository, manifest);
      await noteSeen(scope, put);
      return put;
    },
  };
}

async function rolledBack(scope: BackupScope, newest: Manifest | undefined): Promise<RolledBack | undefined> {
  const seen = await findRollback(scope, newest);
  if (seen === undefined) return undefined;
  const sentence = `${scope.repository.description} lacks backup ${seen.label}, which was there before: somebody has put an older state of it back, or has removed backups`;
  return { ...seen, sentence };
}

function selectable({ backups, unplaced }: StoredBackups): Selectable {
  return [...backups, ...unplaced.map((label) => ({ label, isInUse: false }))];
}

/** What a backup's own warnings say of why it can't be restored. */
const REASONS = ['wal-gap', 'state-lacking'];

/** Fails: wal-gap, if a server could not start from this backup with everything in it. */
export function requireRestorable(manifest: Manifest): void {
  if (manifest.restorable === 'no') throw notRestorable(manifest, '');
}

/** The same, and names the backup that can be restored instead. */
async function requireRestorableOr(manifest: Manifest, newestRestorable: () => Promise<string | null>): Promise<void> {
  if (manifest.restorable !== 'no') return;
  const newest = await newestRestorable();
  throw notRestorable(
    manifest,
    newest === null ? '; no backup here can be restored' : `; the newest backup that can be restored is ${newest}`,
  );
}

/** The label of the newest backup that a restore takes; null if there is none. Reads manifests until one is found. */
async function firstRestorable(
  backups: readonly { label: string }[],
  read: (label: string) => Promise<Manifest | undefined>,
): Promise<string | null> {
  for (const { label } of backups) {
    const manifest = await read(label);
    if (manifest !== undefined && manifest.restorable !== 'no') return label;
  }
  return null;
}

function notRestorable({ label, warnings }: Manifest, instead: string): RstowError {
  const reason = warnings.find(({ code }) => REASONS.includes(code))?.message ?? 'its log is not whole';
  return new RstowError('wal-gap', `backup ${label} can’t be restored: ${reason}${instead}`, { details: { label } });
}

/** The claim is gone once the manifest is there: then that says whose the label is. */
async function takeLabel(
  { repository, database }: Pick<BackupScope, 'repository' | 'database'>,
  { label, runId, timeline }: NewLabel,
): Promise<boolean> {
  const key = labelClaimKey(database, label);
  const put = await putSealed(repository, key, { schema: labelClaimSchema, value: { format: 1, runId } });
  if (put === 'exists' && (await readSealed(repository, key, labelClaimSchema))?.runId !== runId) return false;
  const isKnown = timeline !== undefined && repository.properties.callsCost;
  // One that is older than all that is known has the name only if the clock was wrong: then its manifest refuses this one's.
  if (put === 'stored' && isKnown && !(await isKnownLabel({ repository, database }, timeline, label))) return true;
  const state = await manifestState(repository, database, label);
  if (state.kind === 'absent') return true;
  if (put === 'stored') await repository.deleteMany([key]);
  return state.kind === 'read' && state.manifest.runId === runId;
}

async function holderOf({ repository, database }: BackupScope, label: string): Promise<LabelHolder | undefined> {
  const manifest = await readSealed(repository, manifestKey(database, label), manifestSchema);
  if (manifest !== undefined) return { runId: manifest.runId, manifest };
  const claim = await readSealed(repository, labelClaimKey(database, label), labelClaimSchema);
  return claim === undefined ? undefined : { runId: claim.runId, manifest: undefined };
}

async function labelClaims(repository: Repository, database: string): Promise<LabelClaim[]> {
  const claims: LabelClaim[] = [];
  for await (const { key, modifiedAtMs } of repository.list(labelsPrefix(database))) {
    const label = labelOfClaimKey(key);
    const claim = await unlessUnreadable(readSealed(repository, key, labelClaimSchema));
    if (label !== undefined && claim !== undefined) claims.push({ label, runId: claim.runId, claimedAtMs: modifiedAtMs });
  }
  return claims;
}

/** The claim goes last: until then nobody else takes the label. */
async function releaseLabel(repository: Repository, database: string, label: string): Promise<void> {
  const left: string[] = [];
  if ((await manifestState(repository, database, label)).kind === 'absent') {
    for await (const key of repository.keys(backupKey(database, label, ''))) left.push(key);
    for await (const key of repository.keys(indexPrefix(database))) if (positionOfKey(key)?.label === label) left.push(key);
  }
  await repository.deleteMany(left);
  await repository.deleteMany([labelClaimKey(database, label)]);
}

/** The label's claim has done its part once the manifest is there. */
export async function putManifest(repository: Repository, manifest: Manifest): Promise<Manifest> {
  const { database, label, runId } = manifest;
  const bytes = sealedBytes(repository, manifestKey(database, label), { schema: manifestSchema, value: manifest });
  const { callsCost } = repository.properties;
  const there = callsCost ? undefined : await readSealed(repository, manifestKey(database, label), manifestSchema);
  const written = there ?? (await putNew(repository, manifest, bytes));
  if (written.runId !== runId) {
    throw new RstowError('label-taken', `run ${written.runId} has written backup "${label}" already`, { details: { label } });
  }
  await repository.deleteMany([labelClaimKey(database, label)]);
  return written;
}

/** Gives what is there. Of one that was there already no second name stays in the index. */
async function putNew(repository: Repository, manifest: Manifest, bytes: Uint8Array): Promise<Manifest> {
  const { database, label, runId } = manifest;
  const placeKey = positionKey(database, positionOf(manifest));
  await putSealed(repository, placeKey, { schema: labelClaimSchema, value: { format: 1, runId } });
  if ((await repository.put(manifestKey(database, label), bytes)) === 'stored') return manifest;
  const there = await readManifest(repository, database, label);
  if (positionKey(database, positionOf(there)) !== placeKey) await repository.deleteMany([placeKey]);
  return there;
}

type OneRepository = {
  name: string;
  repository: Repository;
  database: string;
  owner: Pick<Ownership, 'find'>;
  timelines: Pick<Timelines, 'all' | 'having'>;
};

/** What the backups of one repository need to know of the database's history, wherever that is written. */
export function backupScope(deps: StoreDeps, { name, repository, database, owner, timelines }: OneRepository): BackupScope {
  const timelineInUse = async (): Promise<string | undefined> => (await owner.find()).owner?.timeline;
  const allTimelines = async (inUse: string | undefined): Promise<ReadonlyMap<string, TimelineNode>> => {
    const own = await timelines.all();
    if (inUse === undefined || lineageOf(own, inUse) !== undefined) return own;
    // A repository that was away when the history in use began doesn't know it yet: another one does.
    const { answers } = await inEachRepository(deps, database, (other) => readTimelines(other, database));
    return new Map([...answers.flatMap(({ found }) => [...found]), ...own]);
  };
  const place = { database, repository: name };
  const seen: BackupScope['seen'] = {
    recall: () => deps.seenBackups.recall(place),
    remember: (backup) => deps.seenBackups.remember(place, backup),
  };
  return { repository, database, timelineInUse, timelines: (one) => timelines.having(one), allTimelines, seen };
}
