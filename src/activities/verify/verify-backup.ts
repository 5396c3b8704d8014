import { join } from 'node:path';
import type { VerifyLevel } from '../../contract/verify-backup.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Warning } from '../../contract/result.ts';
import type { Store } from '../../store/store.ts';
import { lastingWarnings } from '../../contract/hot-backup.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { parsePieceKey, rangeKeyOf } from '../../core/repository/piece.ts';
import { promisedHashes } from '../../store/pieces.ts';
import { createSequenceCounter } from '../../core/wal/continuity.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { type ByteProgress, byteProgress } from '../../replay/progress.ts';
import type { Verification as VerificationFact } from '../../formats/repository/facts.ts';
import { makeScratch, noteRun, removeScratch } from '../../io/agent-state/run-files.ts';
import { requireSpace } from '../../io/files/free-space.ts';
import { onlyFrom } from '../restore/segment-copies.ts';
import { stageSegments } from '../restore/stage-segments.ts';
import { replaySegments, requireDigest } from '../../replay/replay-segments.ts';

type VerifyInput = { database: string; repository: string; label: string; level: VerifyLevel };

/** The backup that a person means. Fails: backup-not-found, damaged-object, unknown-repository. */
export const chooseBackup =
  (deps: ActivityDeps) =>
  async (input: { database: string; repository?: string | undefined; backup: string }): Promise<{ label: string; repository: string }> => {
    const store = await deps.openStore(input.database, input.repository);
    const { label } = await store.backups.find(input.backup);
    return { label, repository: store.name };
  };

/**
 * Reads a backup and compares it with its manifest, as deep as asked. Changes nothing.
 * Fails: missing-object, truncated-object, damaged-object, naming the object; digest-different, not-enough-space; wrong-key, at once, if it
 * would have to be decrypted. Twice: the same.
 */
export const verifyStoredBackup =
  (deps: ActivityDeps) =>
  async (input: VerifyInput, run: RunPort): Promise<Verified> => {
    const store = await deps.openStore(input.database, input.repository);
    const manifest = await store.backups.read(input.label);
    const verification: Verification = { deps, store, manifest, run };
    if (input.level !== 'checksums') await store.requireKeys(await store.pieces.plan(manifest, { withoutStream: true }));
    const checksums = await verifyChecksums(verification);
    const attachmentsRead = await verifyAttachments(verification);
    const base = { ...checksums, bytesRead: checksums.bytesRead + attachmentsRead };
    switch (input.level) {
      case 'checksums':
        return base;
      case 'records':
        return { ...base, ...(await verifyRecords(verification)) };
      case 'replay':
        return { ...base, ...(await verifyReplay(verification)) };
    }
  };

/** What a verification found. */
export type Verified = {
  pieces: number;
  records: number;
  bytesRead: number;
  bytesPlain: number;
  /** Numbers that failed writes burnt, and places where concurrent writers changed order: counted, not judged. */
  sequenceGaps?: number;
  sequenceInversions?: number;
  stateDigest?: string;
  /** What the backup itself warned of, where it still bears on it. */
  warnings: Warning[];
};

/** What a verification has to hold. */
type Verification = { deps: ActivityDeps; store: Store; manifest: Manifest; run: RunPort };

/**
 * Reads every stored object of the log once, without decompressing it; what its sidecar says of the plain bytes must
 * be what the manifest promises. Fails: missing-object, truncated-object, damaged-object.
 */
async function verifyChecksums(verification: Verification): Promise<Verified> {
  const { store, manifest, run } = verification;
  const planned = await store.pieces.plan(manifest, { withoutStream: true });
  const keys = new Set(planned.flatMap((segment) => segment.slices.map((slice) => slice.key)));
  const warnings = lastingWarnings(manifest.warnings);
  const warn = (warning: Warning): void => void warnings.push(warning);
  const promised = promisedHashes(manifest);
  let bytesRead = 0;
  for (const key of keys) {
    const piece = parsePieceKey(key);
    if (piece === undefined) continue;
    const { sha256, storedBytes } = await store.pieces.check(piece, { runId: run.runId, warn, promised }, run.signal);
    // A merged piece is no range of the manifest: only reading it shows.
    if ((promised.get(rangeKeyOf(key)) ?? sha256) !== sha256) throw otherBytes(key, manifest.label);
    bytesRead += storedBytes;
    run.report({ doing: key, doneBytes: bytesRead });
  }
  const bytesPlain = planned.reduce((sum, segment) => sum + segment.endBytes, 0);
  return { pieces: keys.size, records: manifest.records, bytesRead, bytesPlain, warnings };
}

function otherBytes(key: string, label: string): RstowError {
  return new RstowError('damaged-object', `${key} holds other bytes than backup ${label} promises`, { details: { key } });
}

/** The small objects beside the manifest; gives how many bytes were read. Fails: missing-object, truncated-object, damaged-object. */
async function verifyAttachments({ store, manifest, run }: Verification): Promise<number> {
  let bytesRead = 0;
  for (const attachment of manifest.attachments) {
    bytesRead += await store.attachments.check({ label: manifest.label, attachment, signal: run.signal });
  }
  return bytesRead;
}

/** Decompresses the whole log and checks every record and every range. Fails: missing-object, truncated-object, damaged-object. */
async function verifyRecords(verification: Verification): Promise<Partial<Verified>> {
  const { store, manifest, run } = verification;
  const sequences = createSequenceCounter();
  let records = 0;
  const onRecord = ({ sequence }: { sequence: number }): void => {
    records += 1;
    sequences.observe(sequence);
  };
  const planned = await store.pieces.plan(manifest, { withoutStream: true });
  const progress = byteProgress(
    run,
    planned.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  for (const segment of planned) {
    progress.doing(segmentFileName(segment.segment));
    await drain(store.pieces.segment({ planned: segment, signal: run.signal, onRecord }), progress);
  }
  const { gaps, inversions } = sequences.counts();
  return { records, sequenceGaps: gaps, sequenceInversions: inversions };
}

/** The bytes are checked while they pass; nobody wants them. */
async function drain(chunks: AsyncGenerator<Uint8Array>, progress: ByteProgress): Promise<void> {
  for await (const chunk of chunks) progress.add(chunk.length);
}

export type RecordVerificationInput = { database: string; repository: string; fact: Omit<VerificationFact, 'format' | 'runId'> };

const NOT_WRITABLE: readonly string[] = ['repository-unavailable', 'not-enough-space'];

/**
 * Remembers a verification, whether it held or not. A repository that takes no more writes, such as a copy that is
 * mounted read-only, can be verified all the same: then the warning says that nothing was remembered.
 * Twice: the first fact stands.
 */
export const recordVerification =
  (deps: ActivityDeps) =>
  async ({ database, repository, fact }: RecordVerificationInput, { runId }: Pick<RunPort, 'runId'>): Promise<Warning[]> => {
    try {
      const store = await deps.openStore(database, repository);
      await store.facts.recordVerification({ runId, ...fact });
      const { label, level, held } = fact;
      deps.events.record({ kind: 'backup-verified', database, repository, label, level, held, sentence: `backup ${label} was verified` });
      return [];
    } catch (error) {
      if (!(error instanceof RstowError) || !NOT_WRITABLE.includes(error.code)) throw error;
      return [{ code: error.code, message: `the result of the verification could not be stored: ${error.message}` }];
    }
  };

/**
 * Puts the log together in a scratch folder, replays it, and compares the state's digest.
 * Fails: missing-object, truncated-object, damaged-object, digest-different.
 */
async function verifyReplay(verification: Verification): Promise<Partial<Verified>> {
  const { deps, store, manifest, run } = verification;
  const { stateDir } = deps.config.agent;
  const planned = await store.pieces.plan(manifest, { withoutStream: true });
  await noteRun(stateDir, run);
  const walDir = join(await makeScratch(stateDir, run.runId), 'wal');
  try {
    await requireSpace(
      walDir,
      planned.reduce((sum, segment) => sum + segment.endBytes, 0),
    );
    await stageSegments({ copies: onlyFrom(store, run), planned, walDir, run });
    const extents = planned.map(({ segment, endBytes }) => ({ segment, endBytes }));
    const pathOf = (segment: (typeof extents)[number]['segment']): string => join(walDir, segmentFileName(segment));
    const replayed = await replaySegments({ extents, pathOf, damageCode: 'damaged-object' }, run);
    requireDigest(replayed.stateDigest, manifest.stateDigest, manifest.label);
    return { records: replayed.records, stateDigest: replayed.stateDigest };
  } finally {
    await removeScratch(stateDir, run.runId);
  }
}
