/** An archive over hours that pass in minutes: each second of the day something is written, and looked at, without Temporal. */
import { createBandwidth } from '../../src/store/bandwidth.ts';
import { createHash } from 'node:crypto';
import { appendFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { createLogFollower, type LogFollower } from '../../src/activities/archive/log-follower.ts';
import { encodeRecord, recordTypes } from '../../src/core/wal/record.ts';
import { makeSegmentId, segmentFileName, type SegmentId } from '../../src/core/wal/wal-offset.ts';
import { openDatabase } from '../../src/database/database.ts';
import { crc32c } from '../../src/io/checksum/checksum.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { startArchive } from './direct-archive.ts';
import { directDeps, newRun } from './direct-backup.ts';
import { filesBelow } from './folder-hash.ts';

export type Day = {
  seconds: number;
  /** What is written each second, in one record. */
  recordBytes: number;
  segmentBytes: number;
  tidySeconds: number;
};

type Counts = { stream: number; times: number; wal: number; pins: number };

export type DayReport = {
  looks: number;
  segments: number;
  writtenBytes: number;
  /** At any of the moments at which they were counted. */
  most: Counts;
  atEnd: Counts;
  heapMbMost: number;
  rssMb: { atFirst: number; most: number };
  /** The mean of the first and of the last tenth. */
  lookMs: { first: number; last: number };
};

/** Counted so often. */
const SAMPLES = 144;

/** Stops the stack's server; the day's records become part of its log, and it can start from them. The process' clock goes with the day. */
export async function liveThrough(stack: DatabaseStack, day: Day): Promise<DayReport> {
  await stopArchived(stack);
  const { now } = Date;
  let nowMs = now();
  Date.now = () => nowMs;
  try {
    const follower = await directFollower(directDeps(stack));
    const log = await createGrowingLog(stack, day);
    const report = createReport(stack);
    for (let second = 1; second <= day.seconds; second += 1) {
      nowMs += 1000;
      await log.grow(second);
      const beganAtMs = performance.now();
      if (!(await follower.look())) throw new Error('the log is another one');
      report.looked(performance.now() - beganAtMs);
      if (second % day.tidySeconds === 0) await follower.tidy(new AbortController().signal);
      if (second % Math.ceil(day.seconds / SAMPLES) === 0) await report.count();
    }
    return await report.end(log);
  } finally {
    Date.now = now;
  }
}

/** Lets the database have its owner and its history, which a server has to show, and stops the server. */
export async function stopArchived(stack: DatabaseStack): Promise<void> {
  const archive = await startArchive(stack);
  await archive.looked();
  await archive.stop();
  await stack.service.stop();
}

/** The follower of the one who owns the database, on the history that a data directory begins with. */
export async function directFollower(deps: ActivityDeps): Promise<LogFollower> {
  const database = openDatabase(deps, DATABASE);
  return createLogFollower({
    first: 0 as SegmentId,
    deps,
    database,
    store: await deps.openStore(DATABASE),
    timeline: '0001',
    bandwidth: createBandwidth(undefined),
    run: newRun(),
  });
}

export type GrowingLog = { grow: (second: number) => Promise<void>; segments: () => number; writtenBytes: () => number };

/** The log of a server that is stopped, from its last segment on. */
export async function createGrowingLog(
  { walDir }: DatabaseStack,
  { recordBytes, segmentBytes }: Pick<Day, 'recordBytes' | 'segmentBytes'>,
): Promise<GrowingLog> {
  let segment = Math.max(...(await readdir(walDir)).filter((name) => name.endsWith('.wal')).map((name) => Number.parseInt(name, 16)));
  const first = segment;
  let sizeBytes = 0;
  let writtenBytes = 0;
  return {
    grow: async (second) => {
      const record = secondRecord(second, recordBytes);
      if (sizeBytes + record.length > segmentBytes) {
        segment += 1;
        sizeBytes = 0;
      }
      await appendFile(join(walDir, segmentFileName(makeSegmentId(segment)!)), record);
      sizeBytes += record.length;
      writtenBytes += record.length;
    },
    segments: () => segment - first + 1,
    writtenBytes: () => writtenBytes,
  };
}

/** The record of an order of this second; half of it no other record has. */
function secondRecord(second: number, sizeBytes: number): Uint8Array {
  const filling = createHash('shake256', { outputLength: Math.ceil(sizeBytes / 4) })
    .update(String(second))
    .digest('hex');
  const ctx = { second, filling, plain: 'x'.repeat(Math.ceil(sizeBytes / 2)) };
  const entry = {
    type: 'create_instance',
    instance_id: `second-${second}`,
    machine: 'order',
    version: 1,
    initial_state: 'created',
    initial_ctx: ctx,
  };
  const payload = Buffer.from(JSON.stringify(entry));
  return encodeRecord({ type: recordTypes.createInstance, sequence: 1_000_000 + second, payload }, crc32c);
}

type Report = { looked: (tookMs: number) => void; count: () => Promise<void>; end: (log: GrowingLog) => Promise<DayReport> };

function createReport(stack: DatabaseStack): Report {
  const tookMs: number[] = [];
  let most: Counts = { stream: 0, times: 0, wal: 0, pins: 0 };
  let heapMbMost = 0;
  const rssMb = { atFirst: 0, most: 0 };
  const count = async (): Promise<void> => {
    const counts = await countsOf(stack);
    most = Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, Math.max(value, most[name as keyof Counts])])) as Counts;
    const { heapUsed, rss } = process.memoryUsage();
    heapMbMost = Math.max(heapMbMost, Math.round(heapUsed / 1e6));
    rssMb.most = Math.max(rssMb.most, Math.round(rss / 1e6));
    rssMb.atFirst ||= rssMb.most;
  };
  return {
    looked: (ms) => void tookMs.push(ms),
    count,
    end: async (log) => {
      const tenth = Math.ceil(tookMs.length / 10);
      return {
        looks: tookMs.length,
        segments: log.segments(),
        writtenBytes: log.writtenBytes(),
        most,
        atEnd: await countsOf(stack),
        heapMbMost,
        rssMb,
        lookMs: { first: mean(tookMs.slice(0, tenth)), last: mean(tookMs.slice(-tenth)) },
      };
    },
  };
}

async function countsOf({ repositoryDir, dataDir }: DatabaseStack): Promise<Counts> {
  const keys = (await filesBelow(repositoryDir)).map((path) => relative(repositoryDir, path));
  const under = (folder: string): number => keys.filter((key) => key.startsWith(`databases/${DATABASE}/${folder}/`)).length;
  const pins = await readdir(join(dataDir, '.rstow/pins'), { recursive: true, withFileTypes: true });
  return { stream: under('stream'), times: under('times'), wal: under('wal'), pins: pins.filter((entry) => entry.isFile()).length };
}

function mean(values: readonly number[]): number {
  return Number((values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(2));
}
