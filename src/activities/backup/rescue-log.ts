import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { logRescued, type LostState, stateLost } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { isLocked, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { createInstanceFates, type InstanceFates } from '../../core/state/instance-fate.ts';
import { differingOf, machineName } from '../../core/state/server-comparison.ts';
import type { ReplayIndex, ReplayInstance } from '../../core/state/replay-index.ts';
import { lineageOf } from '../../core/backup/history.ts';
import { piecesBySegment } from '../../core/repository/piece.ts';
import {
  type Extent,
  makeWalOffset,
  positionBytesOf,
  segmentFileName,
  type SegmentId,
  segmentOf,
  type WalOffset,
} from '../../core/wal/wal-offset.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { mendDeleted } from '../../database/guard-look.ts';
import { closeOpenLog, pinLog } from '../../database/log-source.ts';
import type { Timeline } from '../../formats/repository/history.ts';
import type { RescuePlan } from '../../formats/repository/plans.ts';
import { makeScratch, noteRun, removeScratch } from '../../io/agent-state/run-files.ts';
import { unlessAbsent } from '../../io/files/errno.ts';
import { movePins } from '../../io/data-directory/pins.ts';
import { closeStaging, writeStagedSegment } from '../../io/data-directory/restores.ts';
import { writeTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { baselineBytes } from '../../replay/baseline.ts';
import { type LiveState, readLiveBaseline } from '../../replay/live-baseline.ts';
import { byteProgress } from '../../replay/progress.ts';
import { indexStored } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { logOfSegments } from '../recovery-point/stored-history.ts';
import type { RunPort } from '../run-port.ts';
import { scanSegment } from './segment-scan.ts';
import { lackingBytes, storeSegment } from './store-segments.ts';

export type RescueLogInput = {
  database: string;
  repository: string;
  timeline: string;
  /** What is stored of that timeline. */
  extentsKey: string;
  label: string;
};

/** The history that the data in place continue from now on: its log begins with what the server showed. */
export type RescuedLog = { timeline: string; warnings: Warning[] };

/**
 * Lets a log that a server can't start from begin anew: with a baseline that is read from the running server, in the place of all segments
 * before the first one that is there with all behind it. That begins a new timeline, so nothing that is stored of the old one is mixed with
 * it. The baseline is stored before the data directory says that it continues that timeline. Null if there is no segment that a baseline
 * could stand for, or the restart guard has the missing ones.
 * Fails: server-unreachable, server-refused, not-enough-space, repository-unavailable, owner-outdated, cancelled. Twice: the same timeline.
 */
export const rescueLog =
  (deps: ActivityDeps) =>
  async (input: RescueLogInput, run: RunPort): Promise<RescuedLog | null> => {
    const database = openDatabase(deps, input.database);
    const store = await deps.openStore(input.database, input.repository);
    await noteRun(deps.config.agent.stateDir, run);
    const work: Rescue = { deps, input, database, store, run };
    const plan = (await store.plans.rescue.find(run.runId)) ?? (await planRescue(work));
    if (plan === undefined) return null;
    const { timeline } = await beginTimeline(work, plan);
    await storeBaseline(work, timeline, plan);
    await run.checkOpen();
    const { generation } = await store.owner.require();
    const { dataDir, walDir } = database;
    // Where links can't be made, what is open has the sizes of before.
    await closeOpenLog(deps.runningBackups.opened, run.runId);
    await movePins({ dataDir, timeline: input.timeline, runId: run.runId }, timeline);
    const fork = { from: input.timeline, runId: run.runId };
    await writeTimelineFile(walDir, { format: 1, database: input.database, timeline, generation, fork });
    await removeScratch(deps.config.agent.stateDir, run.runId);
    return { timeline, warnings: plan.warnings };
  };

type Rescue = { deps: ActivityDeps; input: RescueLogInput; database: Database; store: Store; run: RunPort };

/** `segment`: the baseline's. Every record that had an effect on what was read stands before `soundFrom`. */
type ReadState = Pick<LiveState, 'ids' | 'machines' | 'counts'> & {
  segment: SegmentId;
  sizeBytes: number;
  soundFrom: WalOffset;
  fates: InstanceFates;
};

/** Reads what the server shows, and decides what comes of it; undefined if nothing can. */
async function planRescue(work: Rescue): Promise<RescuePlan | undefined> {
  const { deps, database, store, input, run } = work;
  const { facts, isMended } = await mendDeleted(database);
  for (const fact of facts) deps.events.record(fact);
  // The restart guard has what compaction has deleted since the fence: the next backup finds a whole log.
  if (!isMended || facts.length > 0) return undefined;
  const read = await readState(work);
  if (read === undefined) return undefined;
  const { segment, sizeBytes, soundFrom, counts } = read;
  const rescued = logRescued({ database: input.database, before: segment + 1, ...counts });
  const warnings = [rescued, ...(await lostWarnings(work, read))];
  return (await store.plans.rescue.keep(run.runId, { format: 1, segment, sizeBytes, soundFrom, warnings })).plan;
}

const READINGS_MAX = 3;

/** Reads the server's state into a segment in the run's scratch folder. Undefined if no segment stands before the log that is there. */
async function readState(work: Rescue): Promise<ReadState | undefined> {
  for (let reading = 1; ; reading += 1) {
    const log = await presentLog(work);
    const first = firstOfRun([...log.keys()]);
    // A server's own first segment is 1.
    if (first === undefined || first <= 1) return undefined;
    const read = await readBeside(work, log, first);
    if (read !== undefined) return read;
    if (reading === READINGS_MAX) throw new RstowError('failed', 'the server was restarted while its state was read');
  }
}

type PresentLog = ReadonlyMap<SegmentId, { path: string; sizeBytes: number }>;

/** All that this run has pinned, and what has come since; sorted. */
async function presentLog({ deps, input, database, run }: Rescue): Promise<PresentLog> {
  const { dataDir, walDir } = database;
  const { source, segments } = await pinLog({ dataDir, timeline: input.timeline, runId: run.runId }, deps.runningBackups.opened);
  const paths = new Map(((await listSegments(walDir)) ?? []).map(({ segment, path }) => [segment, path]));
  for (const { segment } of segments) paths.set(segment, source.pathOf(segment));
  const sorted = [...paths].sort(([one], [other]) => one - other);
  const log = new Map<SegmentId, { path: string; sizeBytes: number }>();
  for (const [segment, path] of sorted) log.set(segment, { path, sizeBytes: (await stat(path)).size });
  return log;
}

/** The first of the segments that follow one another up to the last. */
function firstOfRun(sorted: readonly SegmentId[]): SegmentId | undefined {
  return sorted.findLast((segment, index) => sorted[index - 1] !== segment - 1);
}

/** Undefined if a server that had forgotten an instance created it again meanwhile: then what was read of it must not stand there. */
async function readBeside(work: Rescue, log: PresentLog, first: SegmentId): Promise<ReadState | undefined> {
  const { database, deps, run } = work;
  const segment = (first - 1) as SegmentId;
  const fates = createInstanceFates();
  let scanned = await scanBehind(log, { first, ends: new Map(), fates, run });
  fates.takeReborn();
  const isUnchanged = (offset: WalOffset): boolean => {
    const endBytes = segmentOf(offset) < first ? Number.POSITIVE_INFINITY : (scanned.get(segmentOf(offset)) ?? 0);
    return positionBytesOf(offset) < endBytes;
  };
  const state = readLiveBaseline({
    connect: database.server.connector({ signal: run.signal }),
    isUnchanged,
    isLeftOut: (id) => fates.of(id) === 'born',
    run,
  });
  const walDir = await rescueFolder(deps, run);
  await rm(walDir, { recursive: true, force: true });
  const content = (): AsyncIterable<Uint8Array> => baselineBytes(state.records, { behind: 0, signal: run.signal });
  await writeStagedSegment({ walDir, segment, sizeBytes: undefined, content, signal: run.signal });
  await closeStaging(walDir);
  const { size: sizeBytes } = await stat(join(walDir, segmentFileName(segment)));
  const after = await presentLog(work);
  scanned = await scanBehind(after, { first, ends: scanned, fates, run });
  if (fates.takeReborn().some((id) => state.ids.has(id))) return undefined;
  const last = [...after].at(-1);
  const soundFrom = last === undefined ? makeWalOffset(first, 0) : makeWalOffset(last[0], last[1].sizeBytes);
  const { ids, machines, counts } = state;
  return { ids, machines, counts, segment, sizeBytes, soundFrom, fates };
}

async function rescueFolder(deps: ActivityDeps, { runId }: RunPort): Promise<string> {
  return join(await makeScratch(deps.config.agent.stateDir, runId), 'rescue');
}

type Scan = {
  first: SegmentId;
  /** How far each segment was scanned before. */ ends: ReadonlyMap<SegmentId, number>;
  fates: InstanceFates;
  run: RunPort;
};

/** Gives how far the whole records reach. */
async function scanBehind(log: PresentLog, { first, ends, fates, run }: Scan): Promise<Map<SegmentId, number>> {
  const scanned = new Map<SegmentId, number>();
  const wanted = [...log].filter(([segment]) => segment >= first);
  const startOf = (segment: SegmentId): number => ends.get(segment) ?? 0;
  const progress = byteProgress(
    run,
    wanted.reduce((sum, [segment, { sizeBytes }]) => sum + sizeBytes - startOf(segment), 0),
  );
  for (const [segment, { path, sizeBytes }] of wanted) {
    progress.doing(segmentFileName(segment));
    const startBytes = startOf(segment);
    const { end } = await scanSegment({ path, startBytes, sizeBytes, signal: run.signal, onRecord: ({ payload }) => fates.see(payload) });
    progress.add(end.positionBytes - startBytes);
    scanned.set(segment, end.positionBytes);
  }
  return scanned;
}

/** Its object comes first: it says under which name the baseline is stored. */
async function beginTimeline({ input, store, run }: Rescue, { segment, soundFrom }: RescuePlan): Promise<Timeline> {
  const { generation } = await store.owner.require();
  const { segments } = await store.plans.extents().read(input.extentsKey);
  return store.timelines.create({
    generation,
    parent: { timeline: input.timeline, label: input.label, extents: segments },
    baseline: segment,
    soundFrom,
    why: 'rescue',
    runId: run.runId,
    createdAtMs: Date.now(),
  });
}

/** Fails: store-incomplete, if an earlier attempt has decided what to store and its scratch folder is gone. */
async function storeBaseline({ deps, store, run }: Rescue, timeline: string, { segment, sizeBytes }: RescuePlan): Promise<void> {
  const extent: Extent = { segment, endBytes: sizeBytes };
  store.pieces.relist();
  const known = piecesBySegment(await store.pieces.of(timeline));
  if (lackingBytes([extent], known) === 0) return;
  const path = join(await rescueFolder(deps, run), segmentFileName(segment));
  if ((await unlessAbsent(stat(path)))?.size !== sizeBytes) {
    throw new RstowError('store-incomplete', `${path}, which was to be stored as a baseline, is gone`);
  }
  const source = { pathOf: () => path, tornTailMs: 0, replay: { take: () => undefined } };
  const target = { store, timeline, runId: run.runId };
  await storeSegment(target, {
    extent,
    known: known.get(segment) ?? [],
    source,
    run,
    progress: byteProgress(run, lackingBytes([extent], known)),
  });
  store.pieces.relist();
}

/** What the newest backup that can be restored holds beyond what the server shows. One that can't be read keeps nobody from a rescue. */
async function lostWarnings({ store, input, run }: Rescue, read: ReadState): Promise<Warning[]> {
  const label = await store.backups.newestRestorable();
  const manifest = label === null ? undefined : await store.backups.readable(label);
  const isOfHistory = lineageOf(await store.timelines.having(input.timeline), input.timeline)?.some(
    ({ timeline }) => timeline === manifest?.timeline,
  );
  if (manifest === undefined || isOfHistory !== true) return [];
  try {
    const { index } = await indexStored(await logOfSegments(store, manifest, () => true), run);
    return stateLost({ label: manifest.label, ...lostOf(index, read) });
  } catch (error) {
    if (!(error instanceof RstowError) || !(isObjectDamage(error.code) || isLocked(error))) throw error;
    const message = `what backup ${manifest.label} holds beyond what the server shows is not known: ${error.message}`;
    return [{ code: error.code, message }];
  }
}

/** What neither the server shows nor the log that is there has deleted. */
function lostOf(index: ReplayIndex, { ids, machines, fates }: ReadState): Pick<LostState, 'instances' | 'machines'> {
  const isLost = ({ id, deleted }: ReplayInstance): boolean => !deleted && !ids.has(id) && fates.of(id) === undefined;
  const instances = differingOf([...index.instances()].filter(isLost).map(({ id }) => id));
  const names = [...index.machines()].map(({ name, version }) => machineName({ machine: name, version }));
  return { instances, machines: differingOf(names.filter((name) => !machines.has(name))) };
}
