import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { type RestartFacts, restartFindings } from '../../core/protection/restart-risk.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { missingText } from '../../core/wal/continuity.ts';
import type { ScanEnd } from '../../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { guardHasLooked } from '../../database/guard-state.ts';
import { makeScratch, noteRun, removeScratch } from '../../io/agent-state/run-files.ts';
import { readBaselineFile } from '../../io/data-directory/rstow-folder.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import { errnoOf } from '../../io/files/errno.ts';
import { emptyState, indexAfter, type KeptState, presentBytes, settleOn, spill } from '../../replay/kept-state.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { compareStates, writtenSince } from '../backup/compare-with-server.ts';
import { damageBehind, scanSegment } from '../backup/segment-scan.ts';
import type { RunPort } from '../run-port.ts';

/** A server that compacts takes files away while they are read: then what a restart would find has changed. */
const TRIES_MAX = 3;

/** Of so many instances the changes are in memory at once, and of one segment more. */
const INSTANCES_AT_ONCE_MAX = 100_000;

/** What is settled stays in memory up to here. */
const IN_MEMORY_MAX = 25_000;

/**
 * Holds what a restart would replay, the files of wal/ as they are, against what the server shows. It reads all of them:
 * what a backup has kept of the log says nothing of files that were changed or deleted since. The server may be written
 * to, and may be down. Fails: unknown-database, data-directory-missing; source-damaged, if the disk can't read a file;
 * data-directory-replaced, if files come and go. Twice: read anew.
 */
export const surveyRestart =
  (deps: Pick<ActivityDeps, 'config' | 'configFile' | 'events'>) =>
  async ({ database: name }: { database: string }, run: RunPort): Promise<RestartFacts> => {
    const database = openDatabase(deps, name);
    const facts = await surveyGuarded(database, run);
    const findings = restartFindings(name, facts);
    const critical = findings.filter(({ severity }) => severity === 'critical');
    const isSafe = critical.length === 0;
    const isKnown = !findings.some(({ severity }) => severity === 'unknown');
    const sentence = `a restart ${isSafe ? 'loses nothing' : 'would lose data'}`;
    if (isKnown) deps.events.record({ kind: 'restart-checked', database: name, isSafe, sentence });
    for (const { code, sentence } of critical) {
      deps.events.record({ kind: 'restart-unsafe', database: name, code, sentence });
    }
    return facts;
  };

/** What compaction has just deleted the guard links back at its next look. */
async function surveyGuarded(database: Database, run: RunPort): Promise<RestartFacts> {
  const facts = await surveyUnchanged(database, run);
  if (facts.missing === undefined) return facts;
  await guardHasLooked(database, run.signal);
  const segments = (await listSegments(database.walDir)) ?? [];
  return segments.length > facts.segments ? surveyUnchanged(database, run) : facts;
}

async function surveyUnchanged(database: Database, run: RunPort): Promise<RestartFacts> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await survey(database, run);
    } catch (error) {
      if (!isGone(error) || tries === TRIES_MAX) throw error;
    }
  }
}

async function survey(database: Database, run: RunPort): Promise<RestartFacts> {
  const { walDir, agent, name } = database;
  const files = await listSegments(walDir);
  if (files === undefined) throw new RstowError('data-directory-missing', `${walDir} does not exist`, { details: { walDir } });
  await noteRun(agent.stateDir, run);
  const stateDir = join(await makeScratch(agent.stateDir, run.runId), 'check');
  try {
    const state = emptyState({ stateDir, database: name, binding: { timeline: '', walInode: '' } });
    const log = await replayFiles(files, state, run);
    const baseline = (await readBaselineFile(walDir))?.segment;
    const compared = await compare(database, { state, log, baseline }, run);
    const facts = {
      ...describeFiles(files, log, baseline),
      stateBytes: await presentBytes(state),
      ...(await judgeEnds(database, log, run)),
      ...compared,
    };
    await requireSameFiles(walDir, files);
    return facts;
  } finally {
    await removeScratch(agent.stateDir, run.runId);
  }
}

/** What a restart would replay: how far each file goes, and how it ends there. */
type ReplayedFiles = { ends: { file: SegmentFile; end: ScanEnd }[]; extents: Extent[]; records: number; unreadable?: RstowError };

/** Replays as the server does: a record that is cut short ends its segment, and the next one goes on. */
async function replayFiles(files: readonly SegmentFile[], state: KeptState, run: RunPort): Promise<ReplayedFiles> {
  const replayed: ReplayedFiles = { ends: [], extents: [], records: 0 };
  const pathOf = pathIn(files);
  let index = indexAfter(state);
  const settle = async (): Promise<void> => settleOn(state, index, { extents: replayed.extents, pathOf, damageCode: 'source-damaged' });
  for (const file of files) {
    const { path, segment, sizeBytes, fileName } = file;
    run.report({ reading: fileName });
    const { end, records } = await scanSegment({
      path,
      startBytes: 0,
      sizeBytes,
      signal: run.signal,
      onRecord: (record) => {
        if (!index.apply(segment, record)) replayed.unreadable ??= notReplayable(segment, record.startBytes);
      },
    });
    replayed.records += records;
    replayed.ends.push({ file, end });
    replayed.extents.push({ segment, endBytes: end.positionBytes });
    if (index.size() < INSTANCES_AT_ONCE_MAX) continue;
    await settle();
    await spill(state);
    index = indexAfter(state);
  }
  await settle();
  if (index.size() > IN_MEMORY_MAX) await spill(state);
  return replayed;
}

function pathIn(files: readonly SegmentFile[]): (segment: SegmentId) => string {
  const paths = new Map(files.map(({ segment, path }) => [segment, path]));
  return (segment) => paths.get(segment) ?? '';
}

function notReplayable(segment: SegmentId, positionBytes: number): RstowError {
  const file = segmentFileName(segment);
  return new RstowError('source-damaged', `${file} has at byte ${positionBytes} a record that no server can replay: none starts on it`);
}

type Survey = { state: KeptState; log: ReplayedFiles; baseline: SegmentId | undefined };

async function compare(
  { walDir, server }: Database,
  { state, log: { extents, ends }, baseline }: Survey,
  { signal }: RunPort,
): Promise<Pick<RestartFacts, 'compared' | 'failure'>> {
  const isMissing = missingText(ends.map(({ file }) => file.segment)) !== undefined;
  const since = (): ReturnType<typeof writtenSince> => writtenSince({ walDir, extents, pinned: new Map(), signal });
  try {
    return { compared: await compareStates(server, { state, extents, baseline, mustList: isMissing, writtenSince: since }, signal) };
  } catch (error) {
    if (!(error instanceof RstowError) || signal.aborted || isGone(error)) throw error;
    return { compared: null, failure: { code: error.code, sentence: error.message } };
  }
}

function describeFiles(
  files: readonly SegmentFile[],
  { records }: ReplayedFiles,
  baseline: SegmentId | undefined,
): Pick<RestartFacts, 'segments' | 'sizeBytes' | 'records' | 'lastSegmentBytes' | 'missing'> {
  const missing = missingText(
    files.map(({ segment }) => segment),
    baseline,
  );
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { segments: files.length, sizeBytes, records, lastSegmentBytes: files.at(-1)?.sizeBytes ?? 0, missing };
}

/** The record that a server is just writing is whole soon. */
async function judgeEnds({ timing }: Database, log: ReplayedFiles, { signal }: RunPort): Promise<Pick<RestartFacts, 'damage' | 'tail'>> {
  const damaged = log.unreadable ?? (await firstDamage(log, signal));
  const last = log.ends.at(-1);
  if (damaged !== undefined) return { damage: damaged.message };
  if (last === undefined || last.end.kind === 'whole') return {};
  await delay(timing.tornTailMs, undefined, { signal });
  const [now] = ((await listSegments(join(last.file.path, '..'))) ?? []).filter(({ segment }) => segment === last.file.segment);
  const { path, segment, fileName } = last.file;
  const sizeBytes = now?.sizeBytes ?? last.file.sizeBytes;
  const { end } = await scanSegment({ path, startBytes: last.end.positionBytes, sizeBytes, signal });
  if (end.kind === 'whole' || end.positionBytes > last.end.positionBytes) return {};
  const damage = await damageBehind(path, segment, { end, sizeBytes, signal });
  if (damage !== undefined) return { damage: damage.message };
  return { tail: { file: fileName, sizeBytes: sizeBytes - end.positionBytes } };
}

/** Of the last segment what follows is written just now, and read once more. */
async function firstDamage({ ends }: ReplayedFiles, signal: AbortSignal): Promise<RstowError | undefined> {
  for (const { file, end } of ends) {
    if (end.kind === 'whole' || (end.kind !== 'corrupt' && file === ends.at(-1)?.file)) continue;
    const damage = await damageBehind(file.path, file.segment, { end, sizeBytes: file.sizeBytes, signal });
    if (damage !== undefined) return damage;
  }
  return undefined;
}

/** Fails: data-directory-replaced, if a file that was read is gone by now, or another one. */
async function requireSameFiles(walDir: string, files: readonly SegmentFile[]): Promise<void> {
  const now = new Map(((await listSegments(walDir)) ?? []).map(({ segment, inode }) => [segment, inode]));
  const changed = files.find(({ segment, inode }) => now.get(segment) !== inode);
  if (changed !== undefined) throw new RstowError('data-directory-replaced', `${changed.path} is gone, or another file by now`);
}

function isGone(error: unknown): boolean {
  return error instanceof RstowError ? error.code === 'data-directory-replaced' : errnoOf(error) === 'ENOENT';
}
