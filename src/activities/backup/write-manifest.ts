import { join } from 'node:path';
import type { Attachment, Manifest, ManifestRange, ManifestSegment, StoredVolume } from '../../formats/repository/manifest.ts';
import type { BackupSummary, PinKind } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import type { BackupKind } from '../../core/backup/label.ts';
import { summariseExtents } from '../../core/backup/segment-plan.ts';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { type Piece, piecesBySegment, planCover, rangeKey, rangeKeyOf } from '../../core/repository/piece.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { readOwnership } from '../../io/files/ownership.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../../config/agent-config.ts';
import { copiesWanted, type CopiesWanted } from '../copy/copies-wanted.ts';
import type { RunPort } from '../run-port.ts';
import type { Store } from '../../store/store.ts';
import type { DigestedState } from './digest-state.ts';

export type WriteManifestInput = {
  database: string;
  repository: string;
  label: string;
  kind: BackupKind;
  timeline: string;
  /** When the backup itself began. */
  startedAtMs: number;
  serverVersion: string;
  extentsKey: string;
  pin: PinKind;
  state: DigestedState;
  attachments: Attachment[];
  /** One of the attachments is the whole volume. */
  volume?: StoredVolume | undefined;
  warnings: Warning[];
  /** The name that the backup's end gets. */
  mark?: string | undefined;
};

export type WrittenManifest = Omit<BackupSummary, 'durationMs'> & { warnings: Warning[]; copying?: CopiesWanted | undefined };

/**
 * Writes the manifest, last: it makes the backup exist. What it promises is computed from the stored pieces, listed
 * once more, or a few minutes ago where calls cost. Names its end if a name is wanted. Fails: store-incomplete, owner-outdated, label-taken, mark-taken,
 * repository-unavailable. Twice: the first manifest stands.
 */
export const writeManifest =
  (deps: ActivityDeps) =>
  async (input: WriteManifestInput, run: RunPort): Promise<WrittenManifest> => {
    const store = await deps.openStore(input.database, input.repository);
    const { segments: extents } = await store.plans.extents().read(input.extentsKey);
    const added = { pieces: 0, storedBytes: 0, plainBytes: 0 };
    const healing = await store.plans.healing(input.timeline).find(run.runId);
    const storedAgain = healing === undefined ? [] : [...healing.damaged, ...healing.missing];
    const work = { store, timeline: input.timeline, run, added, storedAgain };
    const segments = await manifestSegments(work, extents);
    const ownership = await readOwnership(join(databaseSettings(deps.config, input.database).dataDir, 'wal'));
    assert(ownership !== undefined, 'wal/ was there when it was pinned');
    const manifest = manifestOf(input, { run, segments, ownership, bytesStored: added.storedBytes });
    await run.checkOpen();
    const left = await deps.catalogueOf(input.database).owner.follow(input.timeline);
    // Once more: an emptied or exchanged repository takes a manifest as well as any.
    await store.confirm();
    const written = await store.backups.put(manifest);
    const { label } = written;
    deps.events.record({
      kind: 'backup-stored',
      database: input.database,
      repository: store.name,
      label,
      sentence: `backup ${label} is stored`,
    });
    if (input.mark !== undefined) await markEnd(store, written, input.mark);
    const copying = copiesWanted(deps, input);
    const warnings = left === undefined ? [] : [left];
    const summary = { ...summaryOf(written, { repository: input.repository, extents, added }), copying, warnings };
    if (written.restorable !== 'no') return summary;
    return { ...summary, newestRestorable: await store.backups.newestRestorable() };
  };

export async function markEnd(store: Store, { timeline, label, runId, createdAtMs }: Manifest, name: string): Promise<void> {
  await store.marks.put({ name, timeline, label, runId, atMs: createdAtMs });
}

type Found = Pick<Manifest, 'segments' | 'ownership' | 'bytesStored'> & { run: Pick<RunPort, 'runId' | 'workflowId'> };

function manifestOf(input: WriteManifestInput, { run, segments, ownership, bytesStored }: Found): Manifest {
  const { label, kind, database, timeline, serverVersion, pin, attachments, volume, warnings, state } = input;
  return {
    format: 1,
    label,
    kind,
    database,
    timeline,
    runId: run.runId,
    workflowId: run.workflowId,
    createdAtMs: input.startedAtMs,
    writtenAtMs: Date.now(),
    serverVersion,
    ownership,
    segments,
    records: recordsOf(segments),
    machines: state.machines,
    instances: state.instances,
    stateDigest: state.stateDigest,
    bytesStored,
    restorable: state.restorable,
    comparison: state.comparison,
    pin,
    attachments,
    volume,
    warnings,
  };
}

export type Added = { pieces: number; storedBytes: number; plainBytes: number };
type Work = {
  store: Store;
  timeline: string;
  run: RunPort;
  added: Added;
  storedAgain: readonly string[];
};

/** Where calls cost, the listing before what was stored will do, with what was stored. That the repository is still there, the owner's claim says. */
const LISTED_MS = 600_000;

/** Each segment's ranges: known from the newest manifest, else from the piece's sidecar. */
export async function manifestSegments(work: Work, extents: readonly Extent[]): Promise<ManifestSegment[]> {
  const { store, timeline } = work;
  const before = await store.backups.newestOfTimeline({ timeline, exceptRunId: work.run.runId, recalls: true });
  // What was stored again is known by its own sidecar, as all that this run has added.
  const known = knownRanges(before, new Set(work.storedAgain.map(rangeKeyOf)));
  const stored = piecesBySegment(await store.pieces.of(timeline, LISTED_MS));
  const segments: ManifestSegment[] = [];
  for (const { segment, endBytes } of extents) {
    const cover = planCover(stored.get(segment) ?? [], endBytes);
    if (cover.missing.length > 0) throw incomplete(segment, cover.missing[0]?.startBytes ?? 0);
    const ranges: ManifestRange[] = [];
    const promised = known.get(segment) ?? new Map<string, ManifestRange>();
    for (const piece of cover.pieces) ranges.push(promised.get(rangeKeyOf(piece.key)) ?? (await rangeOf(work, piece, promised.values())));
    segments.push({ segment, ranges });
  }
  return segments;
}

async function rangeOf(work: Work, piece: Piece, promised: Iterable<ManifestRange>): Promise<ManifestRange> {
  const { store, run, added } = work;
  const sidecar = await store.pieces.sidecar(piece, { runId: run.runId, recalls: true });
  const { timeline, startBytes, endBytes } = piece;
  if (sidecar.runId === run.runId) {
    added.pieces += 1;
    added.storedBytes += sidecar.storedBytes;
    added.plainBytes += newBytes(piece, promised);
  }
  return { timeline, startBytes, endBytes, sha256: sidecar.sha256, records: sidecar.records };
}

/** Of what a merged piece holds, that which the backup before did not have. */
function newBytes(piece: Piece, promised: Iterable<ManifestRange>): number {
  let bytes = piece.endBytes - piece.startBytes;
  for (const { startBytes, endBytes } of promised) {
    bytes -= Math.max(0, Math.min(endBytes, piece.endBytes) - Math.max(startBytes, piece.startBytes));
  }
  return bytes;
}

/** The ranges that the backup before promises, by segment and by their `rangeKey`. */
function knownRanges(manifest: Manifest | undefined, exceptKeys: ReadonlySet<string>): Map<SegmentId, Map<string, ManifestRange>> {
  const known = new Map<SegmentId, Map<string, ManifestRange>>();
  if (manifest === undefined) return known;
  for (const { segment, ranges } of manifest.segments) {
    const keyed = ranges.map((range) => [rangeKey(manifest.database, range.timeline, { segment, ...range }), range] as const);
    known.set(segment, new Map(keyed.filter(([key]) => !exceptKeys.has(key))));
  }
  return known;
}

export function summaryOf(
  manifest: Manifest,
  of: { repository: string; extents: readonly Extent[]; added: Added },
): Omit<WrittenManifest, 'warnings' | 'copying'> {
  const { kind, label, timeline, records, machines, instances, stateDigest, restorable, pin } = manifest;
  return {
    kind,
    label,
    repository: of.repository,
    timeline,
    extents: summariseExtents(of.extents),
    records,
    machines,
    instances,
    stateDigest,
    restorable,
    pin,
    piecesStored: of.added.pieces,
    bytesStored: of.added.storedBytes,
    bytesPlain: of.added.plainBytes,
  };
}

export function recordsOf(segments: readonly ManifestSegment[]): number {
  return segments.reduce((sum, { ranges }) => sum + ranges.reduce((inner, range) => inner + range.records, 0), 0);
}

function incomplete(segment: SegmentId, positionBytes: number): RstowError {
  return new RstowError('store-incomplete', `${segmentFileName(segment)} is not stored from byte ${positionBytes} on`, {
    details: { segment, positionBytes },
  });
}
