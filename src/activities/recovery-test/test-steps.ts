import { join } from 'node:path';
import { lastingWarnings } from '../../contract/hot-backup.ts';
import type { ServedBytes } from '../../contract/copy-backups.ts';
import type { Warning } from '../../contract/result.ts';
import { type ExtentsSummary, type PlannedSegment, promisedExtents, summariseExtents } from '../../core/backup/segment-plan.ts';
import { chooseLabel, choosePosition, type LogPosition, type Selectable, selectBackup } from '../../core/backup/selection.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { baselineOf } from '../../core/backup/history.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { RecoveryTest } from '../../formats/repository/facts.ts';
import type { RunPort } from '../run-port.ts';
import { type Extent, segmentFileName, type SegmentId, segmentOf } from '../../core/wal/wal-offset.ts';
import { makeScratch, noteRun } from '../../io/agent-state/run-files.ts';
import { cutLog } from '../../io/data-directory/segments.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { requireSpace } from '../../io/files/free-space.ts';
import { openFirst } from '../copy/copies-wanted.ts';
import { planFromCopies, segmentCopies } from '../restore/segment-copies.ts';
import { stageSegments } from '../restore/stage-segments.ts';
import { memoryShortage, missingServerProgram, requireScratchPort } from '../../database/scratch-needs.ts';
import { replaySegments, requireDigest } from '../../replay/replay-segments.ts';
import type { Store } from '../../store/store.ts';
import { createRecordCut } from '../../store/record-cut.ts';

type ChooseTestPointInput = { database: string; repository?: string | undefined; backup: string; seed: number };
export type TestPoint = {
  label: string;
  repository: string;
  /** Absent: the backup's end. */
  position?: LogPosition | undefined;
  /** What the backup itself warned of, where it still bears on it. */
  warnings: Warning[];
};

/**
 * What a recovery test recovers: a backup's end or, for `random`, a position in the log of one of the backups, both
 * decided by the seed. Fails: backup-not-found, wal-gap, damaged-object. Twice: the same choice, of the same backups.
 */
export const chooseTestPoint =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, backup, seed }: ChooseTestPointInput): Promise<TestPoint> => {
    const { store, warnings } = await openFirst(deps, database, wanted);
    const backups = await store.backups.selectable();
    const isRandom = backup === 'random' && backups.length > 0;
    const label = isRandom ? chooseLabel(drawnFrom(backups), seed) : selectBackup(backups, backup);
    const manifest = await store.backups.read(label);
    await store.backups.requireRestorable(manifest);
    const position = isRandom ? choosePosition(await pointsOf(store, manifest), seed) : undefined;
    return { label, repository: store.name, position, warnings: [...warnings, ...lastingWarnings(manifest.warnings)] };
  };

/** An imported archive proves nothing of the database's own backups: it is drawn only if there is nothing else. */
function drawnFrom(backups: Selectable): string[] {
  const own = backups.filter(({ isImported }) => isImported !== true);
  return (own.length > 0 ? own : backups).map(({ label }) => label).sort();
}

/** Where there is something to be recovered: in a baseline there is no point, but behind the whole of it. */
async function pointsOf(store: Store, { timeline, segments }: Manifest): Promise<Extent[]> {
  const extents = promisedExtents(segments);
  const baseline = baselineOf(await store.timelines.having(timeline), timeline);
  // One that was read from a running server has its first point somewhere in a later segment.
  const first = baseline?.soundFrom === undefined ? (baseline?.segment ?? 0) : segmentOf(baseline.soundFrom);
  const behind = extents.filter(({ segment }) => segment > first);
  return behind.some(({ endBytes }) => endBytes > 0) ? behind : extents.slice(-1);
}

type RecordTestInput = { database: string; repository: string; fact: Omit<RecoveryTest, 'format' | 'runId'> };

/** Remembers a recovery test, whether it held or not. Twice: the first fact stands. */
export const recordTest =
  (deps: ActivityDeps) =>
  async ({ database, repository, fact }: RecordTestInput, { runId }: Pick<RunPort, 'runId'>): Promise<void> => {
    const store = await deps.openStore(database, repository);
    await store.facts.recordTest({ runId, ...fact });
    const { label, held } = fact;
    deps.events.record({
      kind: 'recovery-tested',
      database,
      repository,
      label,
      held,
      sentence: `a recovery to backup ${label} was tested`,
    });
  };

type StageTestInput = { database: string; repository: string; label: string; position?: LogPosition | undefined };
export type StagedTest = StagedState & {
  /** Of a database with several repositories. */
  served?: ServedBytes[] | undefined;
  warnings: Warning[];
};
export type StagedState = {
  extents: ExtentsSummary;
  stateDigest: string;
  machines: number;
  instances: number;
  fetchMs: number;
  replayMs: number;
};

/** The data directory of a run's recovery test; its server's own things lie in it too. */
export async function testDataDir(deps: ActivityDeps, runId: string): Promise<string> {
  return join(await makeScratch(deps.config.agent.stateDir, runId), 'data');
}

/**
 * Fetches the log into a scratch place, cuts it at the point, replays it. The state at the backup's end must have the
 * manifest's digest. What a server would lack is reported before anything is fetched.
 * Fails: server-program-missing, not-enough-space, not-enough-memory, port-taken, missing-object, truncated-object, damaged-object,
 * digest-different. Twice: whole segments are kept.
 */
export const stageTest =
  (deps: ActivityDeps) =>
  async (input: StageTestInput, run: RunPort): Promise<StagedTest> => {
    const store = await deps.openStore(input.database, input.repository);
    const manifest = await store.backups.read(input.label);
    const planned = upTo(await planFromCopies(deps, store, manifest.segments), input.position);
    const copies = segmentCopies(deps, { ...input, planned, run });
    await noteRun(deps.config.agent.stateDir, run);
    const walDir = join(await testDataDir(deps, run.runId), 'wal');
    await requireRoom(openDatabase(deps, input.database), planned);
    const beganAtMs = performance.now();
    await stageSegments({ copies, planned, walDir, run });
    const fetchedAtMs = performance.now();
    const extents = await cutAt(walDir, planned, input.position);
    const pathOf = (segment: SegmentId): string => join(walDir, segmentFileName(segment));
    const { stateDigest, index } = await replaySegments({ extents, pathOf, damageCode: 'damaged-object' }, run);
    const summary = summariseExtents(extents);
    const isWhole = summary.end === summariseExtents(promisedExtents(manifest.segments)).end;
    if (isWhole) requireDigest(stateDigest, manifest.stateDigest, manifest.label);
    const { machines, instances } = index.counts();
    const times = { fetchMs: Math.round(fetchedAtMs - beganAtMs), replayMs: Math.round(performance.now() - fetchedAtMs) };
    return { extents: summary, stateDigest, machines, instances, ...times, ...copies.found() };
  };

async function requireRoom(database: Database, planned: readonly PlannedSegment[]): Promise<void> {
  const missing = await missingServerProgram(database);
  if (missing !== undefined) throw missing;
  const walBytes = planned.reduce((sum, segment) => sum + segment.endBytes, 0);
  await requireSpace(database.agent.stateDir, walBytes);
  const shortage = await memoryShortage(database, walBytes);
  if (shortage !== undefined) throw shortage;
  await requireScratchPort(database);
}

function upTo(planned: readonly PlannedSegment[], position: LogPosition | undefined): PlannedSegment[] {
  return planned.filter(({ segment }) => position === undefined || segment <= position.segment);
}

/** Ends the staged log with the first record that ends at or past the position. Twice: the same end. */
async function cutAt(walDir: string, planned: readonly PlannedSegment[], position: LogPosition | undefined): Promise<Extent[]> {
  const extents = planned.map(({ segment, endBytes }) => ({ segment, endBytes }));
  const last = extents.at(-1);
  if (position === undefined || last === undefined) return extents;
  const path = join(walDir, segmentFileName(last.segment));
  const cut = createRecordCut({ startBytes: 0, targetBytes: position.positionBytes });
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes: 0, endBytes: last.endBytes })) {
    cut.push(chunk);
    if (cut.isDecided()) break;
  }
  last.endBytes = cut.content().endBytes;
  await cutLog(walDir, last);
  return extents;
}
