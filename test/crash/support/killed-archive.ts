/** An archive whose agent, Temporal or server is killed at any moment and comes back, beside writers and compactions. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lackingRanges } from '../../../src/core/archive/tidying.ts';
import { readArchivedLog } from '../../../src/activities/archive/archived-log.ts';
import { segmentFileName, type SegmentId } from '../../../src/core/wal/wal-offset.ts';
import { archivePinFolder, guardPinFolder } from '../../../src/io/data-directory/pins.ts';
import { listSegments } from '../../../src/io/data-directory/segments.ts';
import { copyDigest, writeArchivedCopy } from '../../support/archived-copy.ts';
import { type ArchivedHost, type Compactor, openArchivedHost, startCompactor } from '../../support/archived-host.ts';
import { requireWrite } from '../../support/bounds-round.ts';
import { type CounterWriters, startCounterWriters, writeOf } from '../../support/counter-writers.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { directDeps } from '../../support/direct-backup.ts';
import { sourceDigest } from '../../support/odd-source.ts';
import { rstow } from '../../support/rstow-command.ts';
import type { OwnServices } from '../../support/own-services.ts';
import type { TemporalServer } from '../../support/temporal-server.ts';
import { leftRunning } from './left-behind.ts';

const TIMELINE = '0001';
const WRITERS = 4;
const COMPACT_EVERY_MS = 1_500;
const CAUGHT_UP_MS = 90_000;
const POLL_MS = 100;

export const VICTIMS = ['agent', 'temporal', 'server', 'all'] as const;
export type Victim = (typeof VICTIMS)[number];

export type KilledArchive = {
  /** Kills it, and lets it come back after so long. */
  kill: (victim: Victim, backAfterMs: number) => Promise<void>;
  /** Waits until the archive has all that was acknowledged by now. */
  settle: () => Promise<{ caughtUpMs: number; broken: string[] }>;
  /** Ends the writers and compares everything. Gives sentences about what is wrong. */
  end: () => Promise<{ broken: string[]; acknowledged: number; segments: number; segmentsDeleted: number }>;
  close: () => Promise<void>;
};

type Killing = {
  host: ArchivedHost;
  temporal: TemporalServer;
  writers: CounterWriters;
  compactor: Compactor;
  /** Whether somebody pins what compaction would delete. */
  guarded: { isOn: boolean };
  /** All segments that wal/ ever had. */
  seen: Set<SegmentId>;
};

/** Temporal is killed, so it is nobody else's. */
export async function openKilledArchive(
  services: Pick<OwnServices, 'temporal' | 'temporalAddress' | 'workflowBundlePath'>,
): Promise<KilledArchive> {
  const { temporal } = services;
  const host = await openArchivedHost(services, {
    segmentSizeMb: 1,
    database: { archive: { tidyMs: 2_000, keptMs: 0 } },
    timing: { heartbeatMs: 1_500 },
  });
  const guarded = { isOn: true };
  const writers = await startCounterWriters(host.stack.address, { writers: WRITERS });
  const compactor = startCompactor(host.stack.address, COMPACT_EVERY_MS, () => guarded.isOn);
  const killing: Killing = { host, temporal, writers, compactor, guarded, seen: new Set() };
  return {
    kill: (victim, backAfterMs) => kill(killing, victim, backAfterMs),
    settle: () => settle(killing),
    end: () => end(killing),
    close: async () => {
      await Promise.allSettled([writers.stop(), compactor.stop()]);
      await host.close();
    },
  };
}

async function kill(killing: Killing, victim: Victim, backAfterMs: number): Promise<void> {
  const { host, temporal, guarded } = killing;
  const { stack } = host;
  const has = (one: Victim): boolean => victim === one || victim === 'all';
  await noteSegments(killing);
  if (has('agent')) guarded.isOn = false;
  const killed: Promise<unknown>[] = [];
  if (has('server')) process.kill(serverPid(host), 'SIGKILL');
  if (has('agent')) killed.push(host.currentAgent().kill('SIGKILL'));
  if (has('temporal')) killed.push(temporal.kill());
  await Promise.all(killed);
  await sleep(backAfterMs);
  if (has('server')) await startAsServicesDo(stack);
  if (has('temporal')) await temporal.start();
  if (has('agent')) await host.startNextAgent();
  guarded.isOn = true;
}

async function settle(killing: Killing): ReturnType<KilledArchive['settle']> {
  const beganAtMs = performance.now();
  const isCaughtUp = await caughtUp(killing, killing.writers.ticks.length);
  const caughtUpMs = Math.round(performance.now() - beganAtMs);
  const late = isCaughtUp ? [] : [`the archive has not caught up in ${CAUGHT_UP_MS} ms`];
  return { caughtUpMs, broken: [...late, ...(await brokenNow(killing))] };
}

/** A kill in a COMPACT leaves a log without its beginning, or an index that lets no server start. */
async function startAsServicesDo(stack: DatabaseStack): Promise<void> {
  const { exitCode, stderr } = await rstow(['guard', '--before-start', '--config', stack.configFile]);
  assert.equal(exitCode, 0, stderr);
  await stack.startServer();
}

function serverPid({ stack }: ArchivedHost): number {
  return (JSON.parse(readFileSync(join(stack.folder, 'service/service.json'), 'utf8')) as { pid: number }).pid;
}

async function noteSegments({ host, seen }: Killing): Promise<void> {
  for (const { segment } of (await listSegments(host.stack.walDir)) ?? []) seen.add(segment);
}

/** The last of so many writes are in the archive. */
async function caughtUp({ host, writers }: Killing, count: number): Promise<boolean> {
  const untilMs = performance.now() + CAUGHT_UP_MS;
  const wanted = writers.ticks.slice(0, count).reduce((last, { offset }) => (offset > last ? offset : last), 0n);
  while (performance.now() < untilMs) {
    if ((await archivedEnd(host)) > wanted) return true;
    await sleep(POLL_MS);
  }
  return false;
}

async function archivedEnd({ stack }: ArchivedHost): Promise<bigint> {
  const log = await readArchivedLog(await directDeps(stack).openStore(DATABASE), TIMELINE);
  const last = log.extents().findLast(({ endBytes }) => endBytes > 0);
  return last === undefined ? 0n : (BigInt(last.segment) << 40n) | BigInt(last.endBytes);
}

async function brokenNow(killing: Killing): Promise<string[]> {
  await noteSegments(killing);
  return [
    ...(await lostSegments(killing)),
    ...(await strayPins(killing)),
    ...(await strayRuns(killing)),
    ...(await leftRunning(killing.host.stack)),
  ];
}

/** A segment that wal/ had is there, is pinned, or is whole in the repository's wal/. */
async function lostSegments({ host, seen }: Killing): Promise<string[]> {
  const { dataDir, walDir } = host.stack;
  const folders = [walDir, archivePinFolder(dataDir, TIMELINE), guardPinFolder(dataDir, TIMELINE)];
  const held = new Set<SegmentId>();
  for (const folder of folders) for (const { segment } of (await listSegments(folder)) ?? []) held.add(segment);
  const log = await readArchivedLog(await directDeps(host.stack).openStore(DATABASE), TIMELINE);
  const isStored = (segment: SegmentId): boolean => {
    const own = log.walOf(segment);
    const endBytes = Math.max(0, ...log.piecesOf(segment).map((piece) => piece.endBytes));
    return endBytes > 0 && lackingRanges(own, endBytes).length === 0;
  };
  return [...seen].filter((segment) => !held.has(segment) && !isStored(segment)).map((segment) => `segment ${segment} is lost`);
}

async function strayPins({ host }: Killing): Promise<string[]> {
  const root = join(host.stack.dataDir, '.rstow/pins');
  const names = await readdir(root);
  const owners = await readdir(join(root, TIMELINE));
  return [...names.filter((name) => name !== TIMELINE), ...owners.filter((name) => !['archive', 'guard'].includes(name))].map(
    (name) => `pins of ${name} were left`,
  );
}

async function strayRuns({ host }: Killing): Promise<string[]> {
  const { workflow } = host.temporal.client;
  const { status } = await workflow.getHandle(`rstow/archive/${DATABASE}`).describe();
  const open: string[] = [];
  for await (const { runId } of workflow.list({ query: "WorkflowType = 'archiveWal' AND ExecutionStatus = 'Running'" })) open.push(runId);
  return [
    ...(status.name === 'RUNNING' ? [] : [`the archive's run is ${status.name}`]),
    ...(open.length === 1 ? [] : [`${open.length} archives run: ${open.join(', ')}`]),
  ];
}

async function end(killing: Killing): ReturnType<KilledArchive['end']> {
  const { host, writers, compactor } = killing;
  await Promise.all([writers.stop(), compactor.stop()]);
  const { stack } = host;
  const isCaughtUp = await caughtUp(killing, writers.ticks.length);
  const broken = [...(isCaughtUp ? [] : ['the archive has not caught up with the last record']), ...(await brokenNow(killing))];
  const copyDir = join(stack.folder, 'copy');
  const wal = await writeArchivedCopy(directDeps(stack), copyDir);
  for (const tick of writers.ticks) requireWrite(wal, writeOf(tick));
  for (const { segment, path } of (await listSegments(stack.walDir)) ?? []) {
    const archived = wal.get(segmentFileName(segment)) ?? Buffer.alloc(0);
    if (!archived.equals(await readFile(path))) broken.push(`segment ${segment} is archived otherwise than its file is`);
  }
  const [live, copied] = [await sourceDigest(stack), await copyDigest(stack, copyDir)];
  if (live !== copied) broken.push(`the archived log has the digest ${copied}, and the server ${live}`);
  await rm(copyDir, { recursive: true });
  return { broken, acknowledged: writers.ticks.length, segments: wal.size, segmentsDeleted: compactor.segmentsDeleted() };
}
