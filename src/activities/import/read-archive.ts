import { mkdir, readlink, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type AgentConfig, databaseSettings } from '../../config/agent-config.ts';
import { summariseChecks } from '../../core/backup/checks.ts';
import { takenAt, type TakenFrom } from '../../core/import/taken-at.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Extent, makeWalOffset } from '../../core/wal/wal-offset.ts';
import { baselineFileSchema } from '../../formats/data-directory.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { ImportedLog } from '../../formats/repository/plans.ts';
import { makeScratch, noteRun, removeScratch } from '../../io/agent-state/run-files.ts';
import { realPathBelow } from '../../io/data-directory/restore-target.ts';
import { errnoOf } from '../../io/files/errno.ts';
import { isBelow, requireSpace } from '../../io/files/free-space.ts';
import { readOwnership } from '../../io/files/ownership.ts';
import { type ArchiveFile, claimedSizeBytes, openArchive, tarBytes } from '../../io/tar/archive-file.ts';
import type { ArchiveKeys } from '../../io/tar/decrypted.ts';
import { UNPACK_LIMITS, type UnpackedLog, unpackLog } from '../../io/tar/unpack-log.ts';
import { byteProgress } from '../../replay/progress.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { type ReplayedLog, replayLog } from '../backup/replay-log.ts';
import { archiveRoots } from '../restore/restore-target.ts';
import type { RunPort } from '../run-port.ts';
import { readSegments, requireWhole, segmentPath } from './archived-segments.ts';

type ReadArchiveInput = { database: string; repository?: string | undefined; file: string };

export type ReadArchive = { repository: string; takenAtMs: number; takenFrom: TakenFrom };

/** The run's own folder for the log of an archive, in its scratch place. */
export const importedWalDir = (scratch: string): string => join(scratch, 'archive', 'wal');

/**
 * Reads an archive into a scratch place, judges its log, and replays it; stores what it found as a plan, and nothing else. Fails:
 * file-not-allowed, archive-locked, archive-unsupported, archive-refused, archive-truncated, archive-damaged, archive-empty, archive-hollow,
 * not-enough-space, repository-unavailable. Twice: the archive is read anew; what was found first stands.
 */
export const readArchive =
  (deps: ActivityDeps) =>
  async ({ database, repository, file }: ReadArchiveInput, run: RunPort): Promise<ReadArchive> => {
    const store = await deps.openStore(database, repository);
    const { stateDir } = deps.config.agent;
    await noteRun(stateDir, run);
    const scratch = await makeScratch(stateDir, run.runId);
    const archive = await openAllowed(deps.config, file);
    try {
      const unpacked = await unpack({ deps, database, archive, scratch }, run);
      const found = await judge({ deps, store, archive, scratch }, unpacked, run);
      const { plan } = await store.plans.imported.keep(run.runId, found);
      if (plan.logSha256 !== found.logSha256)
        throw new RstowError('archive-refused', `${file} was replaced while it was being imported`, { details: { file } });
      return { repository: store.name, takenAtMs: plan.takenAtMs, takenFrom: plan.takenFrom };
    } finally {
      await archive.handle.close();
    }
  };

/** Removes what an import has read. Twice: no-op. */
export const clearImport =
  (deps: ActivityDeps) =>
  async (_input: { database: string }, { runId }: RunPort): Promise<void> =>
    removeScratch(deps.config.agent.stateDir, runId);

/** Fails: file-not-allowed. What is put in its place while it is opened is no other file for that. */
async function openAllowed(config: AgentConfig, file: string): Promise<ArchiveFile> {
  const roots = archiveRoots(config);
  const refusal = new RstowError('file-not-allowed', `${file} is not below an archive root of this agent: ${roots.join(', ')}`, {
    details: { file },
  });
  const path = await realPathBelow(file, roots);
  if (path === undefined) throw refusal;
  const archive = await openArchive(path).catch((cause: unknown) => {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    const fault = errno === 'ENOENT' ? 'does not exist on the agent’s host' : `can’t be opened: ${errno}`;
    throw new RstowError('file-not-allowed', `${file} ${fault}`, { details: { file }, cause });
  });
  const opened = await readlink(`/proc/self/fd/${archive.handle.fd}`);
  if (opened === path || isBelow(path, '/proc')) return { ...archive, path: file };
  await archive.handle.close();
  throw refusal;
}

type Unpacking = { deps: ActivityDeps; database: string; archive: ArchiveFile; scratch: string };

async function unpack({ deps, database, archive, scratch }: Unpacking, run: RunPort): Promise<UnpackedLog> {
  const folder = dirname(importedWalDir(scratch));
  // What an attempt before has left is not known to be whole.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const claimedBytes = await claimedSizeBytes(archive);
  await requireSpace(scratch, claimedBytes ?? 0);
  const progress = byteProgress(run, archive.sizeBytes);
  progress.doing(basename(archive.path));
  const keys = await keysOf(deps.config, database, scratch);
  let readBytes = 0;
  const onRead = (bytes: number): void => {
    readBytes += bytes;
    progress.add(bytes);
  };
  const { path } = archive;
  const { signal } = run;
  return unpackLog(tarBytes(archive, { keys, signal, onRead }), {
    path,
    folder,
    readBytes: () => readBytes,
    limits: UNPACK_LIMITS,
    signal,
  });
}

async function keysOf(config: AgentConfig, database: string, scratch: string): Promise<ArchiveKeys> {
  const { ageIdentityFile, gpgPassphraseFile, gpgHome } = databaseSettings(config, database).import;
  if (gpgHome !== undefined) return { ageIdentityFile, gpgPassphraseFile, gpgHome, hasGpgHome: true };
  const own = join(scratch, 'gnupg');
  await mkdir(own, { recursive: true, mode: 0o700 });
  return { ageIdentityFile, gpgPassphraseFile, gpgHome: own, hasGpgHome: false };
}

type Judging = Omit<Unpacking, 'database'> & { store: Store };

async function judge(judging: Judging, unpacked: UnpackedLog, run: RunPort): Promise<ImportedLog> {
  const { deps, store, archive, scratch } = judging;
  const { path } = archive;
  const walDir = importedWalDir(scratch);
  const sizes = byteProgress(run, 0);
  const { extents, logSha256, warnings } = await readSegments({ path, walDir, signal: run.signal, progress: sizes });
  const baseline = baselineFileSchema.safeParse(jsonOf(unpacked.baseline)).data;
  requireWhole(path, extents, baseline?.segment);
  const { state } = await replay(judging, extents, run);
  const fileName = basename(path);
  const { atMs: takenAtMs, from: takenFrom } = takenAt({ ...unpacked, fileName, nowMs: Date.now() });
  const inPlace = await readOwnership(join(databaseSettings(deps.config, store.database).dataDir, 'wal'));
  return {
    format: 1,
    fileName,
    takenAtMs,
    takenFrom,
    segments: extents,
    logSha256,
    baseline: baseline === undefined ? undefined : { segment: baseline.segment, soundFrom: baseline.soundFrom },
    // root's script has made all files root's.
    ownership: inPlace ?? unpacked.ownership,
    machines: state.machines.length,
    instances: state.instances,
    stateDigest: state.digest,
    warnings,
  };
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

/** Fails: archive-damaged, at a record that no server could replay. */
async function replay({ deps, store, archive, scratch }: Judging, extents: readonly Extent[], run: RunPort): Promise<ReplayedLog> {
  const checkpoint = { stateDir: scratch, database: store.database, binding: { timeline: 'import', walInode: 'archive' } };
  const fence = { format: 1 as const, timeline: 'import', pin: 'links' as const, segments: [...extents] };
  const walDir = importedWalDir(scratch);
  try {
    return await replayLog(deps, { store, fence, extents, pathOf: (segment) => segmentPath(walDir, segment), checkpoint }, run);
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'source-damaged') throw error;
    const details = { ...error.details, file: archive.path };
    throw new RstowError('archive-damaged', `in ${archive.path}, ${error.message}`, { details, cause: error });
  }
}

/** The backup that an import of the same log has made, and that has failed no check, whatever its archive was called and however it was packed. */
export async function importedAs(
  store: Store,
  { segments, logSha256 }: Pick<ImportedLog, 'segments' | 'logSha256'>,
): Promise<Manifest | undefined> {
  const last = segments.at(-1);
  if (last === undefined) return undefined;
  const end = makeWalOffset(last.segment, last.endBytes);
  const sizeBytes = segments.reduce((sum, { endBytes }) => sum + endBytes, 0);
  const { positions } = await store.backups.positions();
  for (const { label } of positions.filter((position) => position.end === end && position.sizeBytes === sizeBytes)) {
    const manifest = await store.backups.readable(label);
    if (manifest?.imported?.logSha256 !== logSha256) continue;
    // One that is damaged is no reason not to import the archive again.
    const { failed } = summariseChecks(await store.facts.checks(await store.facts.of(label)));
    if (failed === undefined) return manifest;
  }
  return undefined;
}
