import { basename, dirname, join } from 'node:path';
import type { ExportBackupResult } from '../../contract/export-backup.ts';
import { lastingWarnings } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { type Baseline, baselineOf } from '../../core/backup/history.ts';
import { type PlannedSegment, promisedExtents, summariseExtents } from '../../core/backup/segment-plan.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { baselineFileSchema } from '../../formats/data-directory.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import { noteRun, unfinishedExports } from '../../io/agent-state/run-files.ts';
import { type PackedEntry, removeUnfinished, tarOf, writeArchive } from '../../io/tar/pack-archive.ts';
import { byteProgress } from '../../replay/progress.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireArchiveTarget } from '../restore/restore-target.ts';
import type { RunPort } from '../run-port.ts';

type ExportArchiveInput = { database: string; repository: string; label: string; file: string };

export type WrittenArchive = Pick<
  ExportBackupResult,
  'timeline' | 'sizeBytes' | 'sha256' | 'extents' | 'records' | 'machines' | 'instances' | 'stateDigest'
> & { warnings: Warning[] };

/**
 * Writes a backup as the archive that the guide's restore.sh unpacks: one leading folder, in it the log, and no snapshots, which a server never
 * reads at its start, and which are fatal if they are newer than the log. Fails: file-not-allowed, file-exists, wal-gap, not-enough-space, and as
 * a stored object does. Twice: the file of the first attempt.
 */
export const exportArchive =
  (deps: ActivityDeps) =>
  async ({ database, repository, label, file }: ExportArchiveInput, run: RunPort): Promise<WrittenArchive> => {
    await requireArchiveTarget(deps.config, file);
    const store = await deps.openStore(database, repository);
    const manifest = await store.backups.read(label);
    await store.backups.requireRestorable(manifest);
    const entries = await entriesOf(store, manifest, run);
    const { uid, gid } = manifest.ownership;
    const content = (): AsyncIterable<Uint8Array> => tarOf(entries, { uid, gid, mtimeMs: manifest.createdAtMs });
    const temporaryPath = temporaryPathOf(file, run.runId);
    const { stateDir } = deps.config.agent;
    await noteRun(stateDir, run);
    await unfinishedExports.add(stateDir, run.runId, temporaryPath);
    const { sizeBytes, sha256 } = await writeArchive(file, content, { temporaryPath, signal: run.signal });
    const { timeline, records, machines, instances, stateDigest, segments, warnings } = manifest;
    const extents = summariseExtents(promisedExtents(segments));
    return { timeline, sizeBytes, sha256, extents, records, machines, instances, stateDigest, warnings: lastingWarnings(warnings) };
  };

/** Removes what an attempt has not finished, and the second name of what it has. Twice: no-op. */
export const clearExport =
  (deps: ActivityDeps) =>
  async ({ file }: { database: string; file: string }, { runId }: RunPort): Promise<void> => {
    await removeUnfinished(temporaryPathOf(file, runId));
    await unfinishedExports.remove(deps.config.agent.stateDir, runId);
  };

/** Hidden, and called by its run: the crontab's `find -name "*.tar.gz"` leaves it alone. */
const temporaryPathOf = (file: string, runId: string): string => join(dirname(file), `.${basename(file)}.${runId}.rstow`);

async function entriesOf(store: Store, manifest: Manifest, run: RunPort): Promise<PackedEntry[]> {
  const { label, timeline } = manifest;
  const { folderMode, fileMode } = manifest.ownership;
  const folder = (path: string): PackedEntry => ({ kind: 'folder', path, mode: folderMode });
  const text = (path: string, content: string): PackedEntry => {
    const bytes = Buffer.from(content);
    return { kind: 'file', path, mode: fileMode, sizeBytes: bytes.length, content: () => inOnePart(bytes) };
  };
  const log = await logEntries(store, manifest, run);
  const baseline = baselineOf(await store.timelines.having(timeline), timeline);
  const mark = baseline === undefined ? [] : [text(`${label}/wal/rstow-baseline.json`, baselineText(baseline))];
  return [
    folder(label),
    text(`${label}/backup.json`, aboutText(manifest)),
    folder(`${label}/wal`),
    ...mark,
    ...log,
    folder(`${label}/snapshots`),
  ];
}

async function logEntries(store: Store, manifest: Manifest, run: RunPort): Promise<PackedEntry[]> {
  const planned = await store.pieces.plan(manifest);
  await store.requireKeys(planned);
  const progress = byteProgress(
    run,
    planned.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  const mode = manifest.ownership.fileMode;
  return planned.map((segment): PackedEntry => {
    const path = `${manifest.label}/wal/${segmentFileName(segment.segment)}`;
    return { kind: 'file', path, mode, sizeBytes: segment.endBytes, content: () => segmentBytes({ store, segment, run }, progress) };
  });
}

/** As the log's own mark says it: whoever takes the log over elsewhere knows that nothing is missing before it. */
function baselineText({ segment, soundFrom }: Pick<Baseline, 'segment' | 'soundFrom'>): string {
  return `${JSON.stringify(baselineFileSchema.encode({ format: 1, segment, soundFrom }))}\n`;
}

/** What the archive is; `wal_offset` and `timestamp` are called as in the guide. */
function aboutText({
  label,
  kind,
  database,
  timeline,
  createdAtMs,
  segments,
  records,
  machines,
  instances,
  stateDigest,
}: Manifest): string {
  const { end } = summariseExtents(promisedExtents(segments));
  const timestamp = new Date(createdAtMs).toISOString();
  const about = { timestamp, wal_offset: end, type: kind, database, label, timeline, records, machines, instances, stateDigest };
  return `${JSON.stringify(about, undefined, 2)}\n`;
}

type Reading = { store: Store; segment: PlannedSegment; run: RunPort };

async function* segmentBytes({ store, segment, run }: Reading, progress: ReturnType<typeof byteProgress>): AsyncGenerator<Uint8Array> {
  progress.doing(segmentFileName(segment.segment));
  for await (const chunk of store.pieces.segment({ planned: segment, signal: run.signal })) {
    progress.add(chunk.length);
    yield chunk;
  }
}

async function* inOnePart(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
