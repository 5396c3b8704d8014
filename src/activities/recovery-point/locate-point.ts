import { type Baseline, baselineOf } from '../../core/backup/history.ts';
import type { BackupPosition } from '../../core/backup/label.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type HigherNumbers, type RecordSearch, searchEvent, searchOffset, searchSequence } from '../../core/recovery/record-search.ts';
import { writtenBy } from '../../core/recovery/recovery-window.ts';
import { kindText, type RecoveryTarget, type TargetEvent } from '../../core/recovery/target.ts';
import { timeText } from '../../core/text/figures.ts';
import { missingText, reachableSegments } from '../../core/wal/continuity.ts';
import {
  type Extent,
  makeWalOffset,
  parseWalOffset,
  positionBytesOf,
  type SegmentId,
  segmentOf,
  type WalOffset,
} from '../../core/wal/wal-offset.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Caller } from '../../replay/progress.ts';
import { readStoredLog } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import { logOfHistory, markOf, offsetText, type StoredHistory } from './stored-history.ts';

/** A place in the log of one backup; without a cut it is that backup's own end. */
export type Located = { manifest: Manifest; cut?: Extent | undefined; higher?: HigherNumbers | undefined };

/** Fails: point-not-found, wal-gap, and as reading the log does. */
export async function locate(history: StoredHistory, target: RecoveryTarget, run: Caller): Promise<Located> {
  const { store, timelines } = history;
  if (target.latest === true) return atEnd(history);
  if (target.name !== undefined) return whole(await store.backups.read((await markOf(store, target.name)).label), timelines);
  if (target.time !== undefined) return lastBefore(history, target.time);
  if (target.offset !== undefined) return offsetPoint(history, target.offset, run);
  if (target.sequence !== undefined) return sequencePoint(history, target.sequence, run);
  return eventPoint(history, target, run);
}

function atEnd(history: StoredHistory): Located {
  const { timeline, newest, end } = history;
  requireReachable({ manifest: newest, baseline: baselineOfNewest(history)?.segment }, end.segment, `the end of timeline ${timeline}`);
  return located(newest, end);
}

/** The end of a backup. Fails: wal-gap. */
export function whole(manifest: Manifest, timelines: StoredHistory['timelines']): Located {
  const log = { manifest, baseline: baselineOf(timelines, manifest.timeline)?.segment };
  requireReachable(log, manifest.segments.at(-1)?.segment ?? 0, `the end of backup ${manifest.label}`);
  return { manifest };
}

/** Nothing in a backup was written after its manifest was. Fails: point-not-found, naming the first one; wal-gap. */
async function lastBefore(history: StoredHistory, time: string): Promise<Located> {
  const { store, positions, newest } = history;
  const timeMs = Date.parse(time);
  const written = writtenBy(positions, timeMs);
  if (written.length === positions.length && newest.writtenAtMs <= timeMs) return atEnd(history);
  for (const position of written.toReversed()) {
    const end = await endOf(history, position);
    if (end !== undefined) return end;
  }
  const [first] = positions;
  const earliest =
    first === undefined ? '' : `; the earliest point by time is ${new Date(first.writtenAtMs).toISOString()} (${first.label})`;
  throw notFound(store, `nothing is known of what was written by ${time}${earliest}`);
}

/** Of a backup whose manifest can't be read, the newest one has the same log; undefined if it hasn't. Fails: wal-gap. */
async function endOf(history: StoredHistory, { label, end, sizeBytes }: BackupPosition): Promise<Located | undefined> {
  const { store, newest, timelines } = history;
  const manifest = await store.backups.readable(label);
  if (manifest !== undefined) return whole(manifest, timelines);
  const cut = { segment: segmentOf(end), endBytes: positionBytesOf(end) };
  const earlier = promisedExtents(newest.segments).filter(({ segment }) => segment < cut.segment);
  const cutSizeBytes = earlier.reduce((sum, { endBytes }) => sum + endBytes, cut.endBytes);
  if (cutSizeBytes !== sizeBytes) return undefined;
  requireReachable({ manifest: newest, baseline: baselineOfNewest(history)?.segment }, cut.segment, `the end of backup ${label}`);
  return located(newest, cut);
}

async function offsetPoint(history: StoredHistory, text: string, run: Caller): Promise<Located> {
  const { newest, store, end } = history;
  const offset = parseWalOffset(text) as WalOffset;
  const wanted = { segment: segmentOf(offset), endBytes: positionBytesOf(offset) };
  if (offset > makeWalOffset(end.segment, end.endBytes)) throw notFound(store, `offset ${text} is not stored yet; ${storedUpTo(history)}`);
  const baseline = baselineOfNewest(history);
  if (baseline !== undefined && wanted.segment <= baseline.segment) {
    // The end of the whole of it is a point, and the first one.
    const whole = promisedExtents(newest.segments).find(({ segment }) => segment === wanted.segment);
    if (wanted.segment === baseline.segment && wanted.endBytes === whole?.endBytes) return located(newest, wanted);
    throw notFound(store, `offset ${text} ${beforeBaseline(baseline)}`);
  }
  requireReachable({ manifest: newest, baseline: baseline?.segment }, wanted.segment, `offset ${text}`);
  const first = newest.segments[0]?.segment ?? wanted.segment;
  if (wanted.segment < first) throw notFound(store, `the log begins at offset ${makeWalOffset(first, 0)}, behind offset ${text}`);
  return located(newest, await search(history, { searching: searchOffset(wanted), only: wanted.segment }, run));
}

async function sequencePoint(history: StoredHistory, sequence: number, run: Caller): Promise<Located> {
  const searching = searchSequence(sequence);
  const found = await search(history, { searching }, run);
  if (found !== undefined) return { ...located(history.newest, found), higher: searching.higher() };
  const { below, above } = searching.nearest();
  const nearest = [below, above].filter((number) => number !== undefined);
  const known = ['there is none at all', `the nearest is ${nearest.join('')}`, `the nearest are ${nearest.join(' and ')}`][nearest.length];
  throw missing(history, `there is no record ${sequence}; ${known ?? ''}`);
}

async function eventPoint(history: StoredHistory, { before, after }: RecoveryTarget, run: Caller): Promise<Located> {
  const event = before ?? after;
  if (event === undefined) throw new RstowError('invalid-input', 'field "target" names no point');
  const searching = searchEvent(event, before === undefined ? 'after' : 'before');
  const found = await search(history, { searching }, run);
  if (found !== undefined) return located(history.newest, found);
  const { ofInstance, matching } = searching.counts();
  throw missing(history, `the stored log has ${lackText(event, { ofInstance, matching })}`);
}

/** `3 records of instance "17", and none is a deletion`. */
function lackText(event: TargetEvent, { ofInstance, matching }: { ofInstance: number; matching: number }): string {
  const { instance } = event;
  if (ofInstance === 0) return `no record of instance "${instance}"`;
  const records = `${ofInstance} ${ofInstance === 1 ? 'record' : 'records'} of instance "${instance}"`;
  if (matching === 0) return `${records}, and none is ${kindText(event)}`;
  return `${records}, ${matching} of them ${kindText(event)}: there is no number ${event.occurrence ?? ''}`;
}

type Searching = { searching: RecordSearch; /** In this segment alone. */ only?: number };

/** The whole newest log, as far as it can be reached, or a single segment of it. What a baseline holds has happened elsewhere. */
async function search(history: StoredHistory, { searching, only }: Searching, run: Caller): Promise<Extent | undefined> {
  const baseline = baselineOfNewest(history)?.segment;
  const all = history.newest.segments.map(({ segment }) => segment);
  const searched = new Set(reachableSegments(all, baseline).filter((segment) => segment > (baseline ?? 0)));
  const log = await logOfHistory(history, (segment) => searched.has(segment) && (only === undefined || segment === only));
  await readStoredLog(log, { see: (segment, record) => searching.see(segment, record), isDone: () => searching.isDecided() }, run);
  return searching.found();
}

function located(manifest: Manifest, cut: Extent | undefined): Located {
  return { manifest, cut };
}

/** The newest log may still be one of before the baseline. */
function baselineOfNewest({ timelines, newest }: StoredHistory): Baseline | undefined {
  return baselineOf(timelines, newest.timeline);
}

function beforeBaseline({ segment, earlier }: Baseline): string {
  const where = earlier === undefined ? 'look in an earlier repository' : `look on timeline ${earlier}`;
  return `stands before this timeline's baseline, which holds the state of all up to segment ${segment}: ${where}`;
}

/** A backup's log, and the segment with which it begins if that is a baseline. */
type ReachedLog = { manifest: Manifest; baseline: SegmentId | undefined };

/** Fails: wal-gap, naming what can be had. */
function requireReachable(log: ReachedLog, segment: number, what: string): void {
  const segments = log.manifest.segments.map((each) => each.segment);
  const reachable = reachableSegments(segments, log.baseline);
  if (segment <= (reachable.at(-1) ?? -1)) return;
  throw gap(log, what);
}

function gap({ manifest, baseline }: ReachedLog, what: string): RstowError {
  const segments = manifest.segments.map(({ segment }) => segment);
  const last = reachableSegments(segments, baseline).at(-1);
  const extent = promisedExtents(manifest.segments).find(({ segment }) => segment === last);
  const window = extent === undefined ? 'no point can be had' : `points up to offset ${offsetText(extent)} can be had`;
  const sentence = `${what} lies behind a hole: the log lacks ${missingText(segments, baseline) ?? 'nothing'}; ${window}`;
  return new RstowError('wal-gap', sentence, { details: { database: manifest.database } });
}

/** What is looked for may stand behind a hole. */
function missing(history: StoredHistory, sentence: string): RstowError {
  const { newest: manifest, store } = history;
  const segments = manifest.segments.map(({ segment }) => segment);
  const baseline = baselineOfNewest(history);
  const log = { manifest, baseline: baseline?.segment };
  if (missingText(segments, log.baseline) !== undefined) return gap(log, `${sentence}, or what is meant`);
  const elsewhere = baseline === undefined ? '' : `, or it ${beforeBaseline(baseline)}`;
  return notFound(store, `${sentence}${elsewhere}; ${storedUpTo(history)}`);
}

function notFound({ database }: Store, sentence: string): RstowError {
  return new RstowError('point-not-found', sentence, { details: { database } });
}

function storedUpTo({ timeline, newest, end }: StoredHistory): string {
  return `timeline ${timeline} is stored up to offset ${offsetText(end)}, by backup ${newest.label} of ${timeText(newest.createdAtMs)}`;
}
