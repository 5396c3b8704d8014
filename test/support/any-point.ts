/** The proof that any point of a stored history can be recovered: two histories of one database, and points chosen by a seed. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyEvent, deleteInstance } from '../../src/io/rstmdb/instances.ts';
import type { PointInTimeRecoveryResult } from '../../src/contract/point-in-time-recovery.ts';
import type { RecoveryTarget } from '../../src/core/recovery/target.ts';
import { headerSequence, RECORD_HEADER_SIZE_BYTES, recordSizeBytes } from '../../src/core/wal/record.ts';
import { type Extent, makeWalOffset, parseSegmentFileName, type SegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { replaySegments } from '../../src/replay/replay-segments.ts';
import { readWal, type Wal } from './bounds-round.ts';
import type { DatabaseStack } from './database-stack.ts';
import { backUp, recoverElsewhere, restoreInPlace } from './direct-backup.ts';
import { type AcknowledgedWrite, startLoadWriters } from './load-writers.ts';
import { expectSound, withClient } from './odd-source.ts';

const ROUNDS = 3;
const WRITES_A_ROUND = 800;
const WRITERS = 4;
/** Between two rounds, so that times lie between backups as well. */
const PAUSE_MS = 150;

/** One history: the server's own files, and what clients know of it. */
export type History = { timeline: string; wal: Wal; records: LogRecordOnDisk[]; acknowledged: AcknowledgedWrite[]; backups: Manifest[] };

export type LogRecordOnDisk = {
  segment: SegmentId;
  startBytes: number;
  endBytes: number;
  sequence: number;
  payload: { type: string; instance_id?: string; event?: string };
};

/** Writes, backs up, restores an older backup in place, writes on: the second history begins within the first. What is marked never expires. */
export async function makeHistories(stack: DatabaseStack, { isMarked = true } = {}): Promise<[History, History]> {
  const first = await writeHistory(stack, { timeline: '0001', acknowledged: [], backups: [], isMarked });
  const fork = first.backups[1];
  assert.ok(fork !== undefined);
  await restoreInPlace(stack, fork.label);
  const kept = first.acknowledged.filter(({ offset }) => offset < endOf(fork));
  const second = await writeHistory(stack, { timeline: '0002', acknowledged: kept, backups: first.backups.slice(0, 2), isMarked });
  return [first, second];
}

const markOf = (timeline: string, round: number): string => `t${timeline}-r${round}`;

type Begun = Pick<History, 'timeline' | 'acknowledged' | 'backups'> & { isMarked: boolean };

async function writeHistory(stack: DatabaseStack, begun: Begun): Promise<History> {
  const { timeline, isMarked } = begun;
  const acknowledged = [...begun.acknowledged];
  const backups = [...begun.backups];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const load = await startLoadWriters({ address: stack.address, writers: WRITERS, prefix: `t${timeline}-r${round}` });
    await load.acknowledgedAtLeast(WRITES_A_ROUND);
    acknowledged.push(...(await load.stop()).acknowledged);
    await deleteSome(stack.address, acknowledged);
    backups.push(await backUp(stack, isMarked ? { mark: markOf(timeline, round) } : {}));
    await sleep(PAUSE_MS);
  }
  const wal = await readWal(stack.walDir);
  return { timeline, wal, records: recordsOf(wal), acknowledged, backups };
}

/** Deletes some instances. The event that a client sends them afterwards is refused. */
async function deleteSome(address: string, acknowledged: readonly AcknowledgedWrite[]): Promise<void> {
  const ids = [...new Set(acknowledged.slice(-40).map(({ instanceId }) => instanceId))].slice(0, 3);
  await withClient(address, async (client) => {
    for (const id of ids) await deleteInstance(client, id);
    for (const id of ids) await applyEvent(client, { instanceId: id, event: 'PAY', payloadText: '{}' }).catch(() => undefined);
  });
}

/** All records of a log, parsed by this test alone. */
function recordsOf(wal: Wal): LogRecordOnDisk[] {
  return [...wal].flatMap(([fileName, bytes]) => {
    const segment = parseSegmentFileName(fileName) as SegmentId;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const records: LogRecordOnDisk[] = [];
    for (let at = 0; at + RECORD_HEADER_SIZE_BYTES <= bytes.length;) {
      const endBytes = at + recordSizeBytes(view, at);
      const payload = JSON.parse(bytes.subarray(at + RECORD_HEADER_SIZE_BYTES, endBytes).toString()) as LogRecordOnDisk['payload'];
      records.push({ segment, startBytes: at, endBytes, sequence: headerSequence(view, at), payload });
      at = endBytes;
    }
    return records;
  });
}

export const KINDS = ['offset', 'offset within a record', 'sequence', 'before', 'after', 'time', 'name', 'latest'] as const;
type Kind = (typeof KINDS)[number];

/** `end`: where the recovered log has to end; undefined for a time, which is held against what clients know. */
export type ChosenPoint = { kind: Kind; target: RecoveryTarget; end: Extent | undefined; timeMs?: number };

/** Decided by the two numbers, each in [0, 1). */
export function choosePoint(history: History, kind: Kind, [one, other]: [number, number]): ChosenPoint {
  const { records, backups, acknowledged } = history;
  const index = Math.floor(one * records.length);
  const record = records[index] as LogRecordOnDisk;
  const behind = { segment: record.segment, endBytes: record.endBytes };
  switch (kind) {
    case 'offset':
      return { kind, target: { offset: String(makeWalOffset(record.segment, record.endBytes)) }, end: behind };
    case 'offset within a record': {
      const within = record.startBytes + 1 + Math.floor(other * (record.endBytes - record.startBytes - 1));
      return { kind, target: { offset: String(makeWalOffset(record.segment, within)) }, end: endBefore(records, index) };
    }
    case 'sequence': {
      const first = records.find(({ sequence }) => sequence === record.sequence) as LogRecordOnDisk;
      return { kind, target: { sequence: record.sequence }, end: { segment: first.segment, endBytes: first.endBytes } };
    }
    case 'before':
    case 'after':
      return eventPoint(records, kind, [one, other]);
    case 'time': {
      const fromMs = (backups[0] as Manifest).writtenAtMs;
      const timeMs = Math.round(fromMs + other * ((acknowledged.at(-1) as AcknowledgedWrite).acknowledgedAtMs + PAUSE_MS - fromMs));
      return { kind, target: { time: new Date(timeMs).toISOString() }, end: undefined, timeMs };
    }
    case 'name': {
      const round = 1 + Math.floor(one * ROUNDS);
      const marked = backups.at(round - ROUNDS - 1) as Manifest;
      return { kind, target: { name: markOf(history.timeline, round) }, end: extentAt(String(endOf(marked))) };
    }
    case 'latest': {
      const last = records.at(-1) as LogRecordOnDisk;
      return { kind, target: { latest: true }, end: { segment: last.segment, endBytes: last.endBytes } };
    }
  }
}

/** Half of them by the occurrence, the others the last one of its event. */
function eventPoint(records: readonly LogRecordOnDisk[], side: 'before' | 'after', [one, other]: [number, number]): ChosenPoint {
  const events = records.filter(({ payload }) => payload.instance_id !== undefined);
  const chosen = events[Math.floor(one * events.length)] as LogRecordOnDisk;
  const { instance_id: instance = '', event } = chosen.payload;
  const alike = events.filter(({ payload }) => payload.instance_id === instance && (event === undefined || payload.event === event));
  const isNumbered = other < 0.5;
  const found = isNumbered ? chosen : (alike.at(-1) as LogRecordOnDisk);
  const target = { instance, event, occurrence: isNumbered ? alike.indexOf(chosen) + 1 : undefined };
  const index = records.indexOf(found);
  const end = side === 'before' ? endBefore(records, index) : { segment: found.segment, endBytes: found.endBytes };
  return { kind: side, target: { [side]: target }, end };
}

/** A segment that would be empty is left out. */
function endBefore(records: readonly LogRecordOnDisk[], index: number): Extent {
  const before = records[index - 1];
  return before === undefined ? { segment: (records[0] as LogRecordOnDisk).segment, endBytes: 0 } : before;
}

/** Throws on the first promise that does not hold. Gives how many records were recovered. */
export async function provePoint(stack: DatabaseStack, history: History, point: ChosenPoint): Promise<number> {
  const dataDir = join(await mkdtemp(join(stack.folder, 'point-')), 'recovered');
  const { timeline } = history;
  const result = await recoverElsewhere(stack, { target: point.target, timeline }, dataDir);
  const end = extentAt(result.point?.end ?? '');
  if (point.end !== undefined) assert.equal(result.point?.end, String(makeWalOffset(point.end.segment, point.end.endBytes)));
  if (point.timeMs !== undefined) requireNothingAfter(history, { result, timeMs: point.timeMs });
  const recovered = await readWal(join(dataDir, 'wal'));
  requirePrefix(history.wal, recovered, end);
  assert.equal(result.stateDigest, await offlineDigest(join(dataDir, '..', 'offline'), history, end));
  assert.equal(await expectSound(stack, dataDir), result.stateDigest);
  await rm(join(dataDir, '..'), { recursive: true, force: true });
  return result.records ?? 0;
}

function extentAt(offset: string): Extent {
  const value = BigInt(offset);
  return { segment: Number(value >> 40n) as SegmentId, endBytes: Number(value & ((1n << 40n) - 1n)) };
}

/** Every byte up to the point is the server's own, and there is no other. */
function requirePrefix(whole: Wal, recovered: Wal, { segment: last, endBytes }: Extent): void {
  const expected = new Map<string, Buffer>();
  for (const [fileName, bytes] of whole) {
    const segment = parseSegmentFileName(fileName) as SegmentId;
    if (segment < last) expected.set(fileName, bytes);
    else if (segment === last) expected.set(fileName, bytes.subarray(0, endBytes));
  }
  assert.deepEqual([...recovered.keys()], [...expected.keys()]);
  for (const [fileName, bytes] of expected) assert.ok(recovered.get(fileName)?.equals(bytes), `${fileName} holds the server's bytes`);
}

/** Of the server's own files, cut there: what was fetched plays no part. */
async function offlineDigest(folder: string, { wal }: History, end: Extent): Promise<string> {
  await mkdir(folder, { recursive: true });
  const extents: Extent[] = [];
  for (const [fileName, bytes] of wal) {
    const segment = parseSegmentFileName(fileName) as SegmentId;
    if (segment > end.segment) continue;
    extents.push({ segment, endBytes: segment === end.segment ? end.endBytes : bytes.length });
    await writeFile(join(folder, fileName), bytes);
  }
  const pathOf = (segment: SegmentId): string => join(folder, segmentFileName(segment));
  const caller = { signal: new AbortController().signal, report: () => undefined };
  return (await replaySegments({ extents, pathOf, damageCode: 'damaged-object' }, caller)).stateDigest;
}

/**
 * What a client sent after the time is not there: an instance's next write is sent once the one before it is acknowledged. What was
 * acknowledged before the time that the result names is.
 */
function requireNothingAfter(history: History, { result, timeMs }: { result: PointInTimeRecoveryResult; timeMs: number }): void {
  const end = BigInt(result.point?.end ?? 0);
  const previousAtMs = new Map<string, number>();
  for (const { instanceId, offset, acknowledgedAtMs } of history.acknowledged) {
    const sentAfterMs = previousAtMs.get(instanceId) ?? 0;
    assert.ok(sentAfterMs <= timeMs || offset >= end, `a write of ${instanceId} that was sent after the time is recovered`);
    if (acknowledgedAtMs <= (result.point?.sinceMs ?? 0)) assert.ok(offset < end, `a write of ${instanceId} from before the time is lost`);
    previousAtMs.set(instanceId, acknowledgedAtMs);
  }
  assert.ok((result.point?.untilMs ?? Number.POSITIVE_INFINITY) <= timeMs);
}

function endOf({ segments }: Manifest): bigint {
  const last = segments.at(-1);
  assert.ok(last !== undefined);
  return makeWalOffset(last.segment, last.ranges.at(-1)?.endBytes ?? 0);
}
