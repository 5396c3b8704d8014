import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { searchEvent, searchOffset, searchSequence } from '../../core/recovery/record-search.ts';
import { kindText, type RecoveryTarget, type TargetEvent } from '../../core/recovery/target.ts';
import { timeText } from '../../core/text/figures.ts';
import { missingText } from '../../core/wal/continuity.ts';
import { type Extent, makeWalOffset, parseWalOffset, positionBytesOf, segmentOf, type WalOffset } from '../../core/wal/wal-offset.ts';
import type { Caller } from '../../replay/progress.ts';
import { lastBefore } from './locate-time.ts';
import {
  archiveGap,
  baselineOfLog,
  beforeBaseline,
  gap,
  type Located,
  notFound,
  reachedLog,
  requireReachable,
  requireSound,
  search,
  whole,
} from './reachable-log.ts';
import { markOf, offsetText, type PointLog, type StoredHistory } from './stored-history.ts';

/** Fails: point-not-found, wal-gap, and as reading the log does. */
export async function locate(history: StoredHistory, target: RecoveryTarget, run: Caller): Promise<Located> {
  const { store, timelines } = history;
  if (target.latest === true) return atEnd(history);
  if (target.name !== undefined) return whole(await store.backups.read((await markOf(store, target.name)).label), timelines);
  if (target.time !== undefined) return lastBefore(history, target.time, run);
  if (target.offset !== undefined) return offsetPoint(history, target.offset, run);
  if (target.sequence !== undefined) return sequencePoint(history, target.sequence, run);
  return eventPoint(history, target, run);
}

function atEnd(history: StoredHistory): Located {
  const { timeline, log, end } = history;
  const what = `the end of timeline ${timeline}`;
  requireReachable(reachedLog(history), end.segment, what);
  if (history.archive.hole !== undefined) throw archiveGap(history, what);
  return located(log, end);
}

async function offsetPoint(history: StoredHistory, text: string, run: Caller): Promise<Located> {
  const { log, store, end, archive } = history;
  const offset = parseWalOffset(text) as WalOffset;
  const wanted = { segment: segmentOf(offset), endBytes: positionBytesOf(offset) };
  if (offset > makeWalOffset(end.segment, end.endBytes)) {
    const { beyond } = archive.hole ?? {};
    if (beyond !== undefined && offset <= makeWalOffset(beyond.segment, beyond.endBytes)) throw archiveGap(history, `offset ${text}`);
    throw notFound(store, `offset ${text} is not stored yet; ${storedUpTo(history)}`);
  }
  const baseline = baselineOfLog(history);
  if (baseline !== undefined && wanted.segment <= baseline.segment) {
    // The end of the whole of it is a point, and the first one.
    const whole = promisedExtents(log.segments).find(({ segment }) => segment === wanted.segment);
    const isItsEnd = wanted.segment === baseline.segment && wanted.endBytes === whole?.endBytes;
    if (!isItsEnd || baseline.soundFrom !== undefined) throw notFound(store, `offset ${text} ${beforeBaseline(baseline)}`);
    return located(log, wanted);
  }
  requireSound(history, wanted, `offset ${text}`);
  requireReachable(reachedLog(history), wanted.segment, `offset ${text}`);
  const first = log.segments[0]?.segment ?? wanted.segment;
  if (wanted.segment < first) throw notFound(store, `the log begins at offset ${makeWalOffset(first, 0)}, behind offset ${text}`);
  return located(log, await search(history, { searching: searchOffset(wanted), only: wanted.segment }, run));
}

async function sequencePoint(history: StoredHistory, sequence: number, run: Caller): Promise<Located> {
  const searching = searchSequence(sequence);
  const found = await search(history, { searching }, run);
  if (found !== undefined) return { ...located(history.log, found), higher: searching.higher() };
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
  if (found !== undefined) return located(history.log, found);
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

function located(log: PointLog, cut: Extent | undefined): Located {
  return { log, cut };
}

/** What is looked for may stand behind a hole. */
function missing(history: StoredHistory, sentence: string): RstowError {
  const { log, store, archive } = history;
  const segments = log.segments.map(({ segment }) => segment);
  const baseline = baselineOfLog(history);
  if (missingText(segments, baseline?.segment) !== undefined) return gap(reachedLog(history), `${sentence}, or what is meant`);
  if (archive.hole !== undefined) return archiveGap(history, `${sentence}, or what is meant`);
  const elsewhere = baseline === undefined ? '' : `, or it ${beforeBaseline(baseline)}`;
  return notFound(store, `${sentence}${elsewhere}; ${storedUpTo(history)}`);
}

function storedUpTo({ timeline, newest, log, end, times }: StoredHistory): string {
  const archived = times.lastSeenMs === undefined ? '' : ` and the archive of ${timeText(times.lastSeenMs)}`;
  const by = `by backup ${newest.label} of ${timeText(newest.createdAtMs)}${log.isArchived ? archived : ''}`;
  return `timeline ${timeline} is stored up to offset ${offsetText(end)}, ${by}`;
}
