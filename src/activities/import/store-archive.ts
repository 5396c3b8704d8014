import type { BackupSummary } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { backupLabel } from '../../core/backup/label.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { piecesBySegment } from '../../core/repository/piece.ts';
import type { Extent } from '../../core/wal/wal-offset.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { ImportedLog } from '../../formats/repository/plans.ts';
import { scratchPath } from '../../io/agent-state/run-files.ts';
import { acquireHostMutex } from '../../io/mutex/host-mutex.ts';
import { byteProgress } from '../../replay/progress.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { lackingBytes, storeSegment } from '../backup/store-segments.ts';
import { manifestSegments, recordsOf, summaryOf } from '../backup/write-manifest.ts';
import type { RunPort } from '../run-port.ts';
import { segmentPath } from './archived-segments.ts';
import { importedAs, importedWalDir } from './read-archive.ts';

type StoreArchiveInput = { database: string; repository: string };

export type StoredArchive = Omit<BackupSummary, 'durationMs'> & {
  /** Another import has stored the same log. */ isThere: boolean;
  warnings: Warning[];
};

/** As long as another import of the same archive may take to store it. */
const MUTEX_WAIT_MS = 3_600_000;

/**
 * Makes a backup of a log that was read from an archive, on a timeline of its own: no byte of it mixes with the database's history, and nobody's
 * ownership is asked for. Fails: repository-unavailable, not-enough-space, cancelled. Twice: the same timeline, pieces and backup.
 */
export const storeArchive =
  (deps: ActivityDeps) =>
  async ({ database, repository }: StoreArchiveInput, run: RunPort): Promise<StoredArchive> => {
    await deps.requireInstallation();
    const store = await deps.openStore(database, repository);
    const log = await store.plans.imported.ofRun(run.runId);
    const mutex = await acquireHostMutex(`import/${database}`, {
      what: 'another import',
      waitTimeoutMs: MUTEX_WAIT_MS,
      signal: run.signal,
    });
    try {
      const there = await importedAs(store, log);
      const isThere = there !== undefined && there.runId !== run.runId;
      const manifest = there ?? (await storeLog({ deps, store, log }, run));
      return { ...summaryOfImport(store, manifest, { extents: log.segments, isThere }), isThere };
    } finally {
      await mutex.release();
    }
  };

type Imported = { extents: readonly Extent[]; isThere: boolean };

function summaryOfImport(store: Store, manifest: Manifest, { extents, isThere }: Imported): Omit<StoredArchive, 'isThere'> {
  const pieces = manifest.segments.reduce((sum, { ranges }) => sum + ranges.length, 0);
  const plainBytes = extents.reduce((sum, { endBytes }) => sum + endBytes, 0);
  const added = isThere ? { pieces: 0, storedBytes: 0, plainBytes: 0 } : { pieces, storedBytes: manifest.bytesStored, plainBytes };
  return { ...summaryOf(manifest, { repository: store.name, extents, added }), warnings: manifest.warnings };
}

type Storing = { deps: ActivityDeps; store: Store; log: ImportedLog };

/** The timeline comes first, the manifest last: it makes the backup exist. */
async function storeLog({ deps, store, log }: Storing, run: RunPort): Promise<Manifest> {
  const { segments: extents, takenAtMs, baseline } = log;
  const { answers } = await deps.catalogueOf(store.database).each(async ({ timelines }) => [...(await timelines.all()).keys()]);
  const generation = (await store.owner.find()).owner?.generation ?? 1;
  const { timeline } = await store.timelines.create({
    generation,
    parent: null,
    baseline: baseline?.segment,
    soundFrom: baseline?.soundFrom,
    why: 'import',
    runId: run.runId,
    createdAtMs: takenAtMs,
    elsewhere: answers.flatMap(({ found }) => found),
  });
  await storePieces({ store, timeline, extents, walDir: importedWalDir(scratchPath(deps.config.agent.stateDir, run.runId)) }, run);
  store.pieces.relist();
  const added = { pieces: 0, storedBytes: 0, plainBytes: 0 };
  const segments = await manifestSegments({ store, timeline, run, added, storedAgain: [] }, extents);
  const label = await takeLabel(store, takenAtMs, run.runId);
  await run.checkOpen();
  await store.confirm();
  return store.backups.put({
    ...manifestOf(store, log, run),
    label,
    timeline,
    segments,
    records: recordsOf(segments),
    bytesStored: added.storedBytes,
  });
}

type Pieces = { store: Store; timeline: string; extents: readonly Extent[]; walDir: string };

async function storePieces({ store, timeline, extents, walDir }: Pieces, run: RunPort): Promise<void> {
  const known = piecesBySegment(await store.pieces.of(timeline));
  const progress = byteProgress(run, lackingBytes(extents, known));
  const source = { pathOf: (segment: Extent['segment']) => segmentPath(walDir, segment), tornTailMs: 0, replay: { take: () => undefined } };
  for (const extent of extents) {
    run.signal.throwIfAborted();
    const work = { extent, known: known.get(extent.segment) ?? [], source, run, progress };
    const { endBytes } = await storeSegment({ store, timeline, runId: run.runId }, work);
    if (endBytes === extent.endBytes) continue;
    throw new RstowError('failed', `what was read of segment ${extent.segment} is not in the scratch place any more`);
  }
}

const LABEL_ATTEMPTS_MAX = 1000;

async function takeLabel({ backups }: Store, takenAtMs: number, runId: string): Promise<string> {
  for (let attempt = 1; attempt <= LABEL_ATTEMPTS_MAX; attempt += 1) {
    const label = backupLabel(takenAtMs, 'import', attempt);
    if (await backups.claimLabel({ label, runId })) return label;
  }
  throw new RstowError('label-taken', `${LABEL_ATTEMPTS_MAX} archives of one second are imported already`);
}

type Written = Omit<Manifest, 'label' | 'timeline' | 'segments' | 'records' | 'bytesStored'>;

function manifestOf(store: Store, log: ImportedLog, { runId, workflowId }: RunPort): Written {
  const { fileName, takenFrom, logSha256, takenAtMs, ownership, machines, instances, stateDigest, warnings, baseline } = log;
  return {
    format: 1,
    kind: 'import',
    database: store.database,
    runId,
    workflowId,
    createdAtMs: takenAtMs,
    writtenAtMs: Date.now(),
    serverVersion: 'unknown',
    ownership,
    machines,
    instances,
    stateDigest,
    restorable: baseline === undefined ? 'from-log' : 'from-baseline',
    // There was no server to be asked.
    comparison: null,
    pin: 'links',
    attachments: [],
    warnings,
    imported: { fileName, takenFrom, logSha256 },
  };
}
