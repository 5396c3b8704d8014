import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { wholeUntil } from '../../../../src/core/archive/tidying.ts';
import { makeSegmentId, segmentFileName, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { compact } from '../../../../src/io/rstmdb/server.ts';
import { readArchivedLog } from '../../../../src/activities/archive/archived-log.ts';
import { DATABASE, type DatabaseStack } from '../../../support/database-stack.ts';
import { archivedBytes, type DirectArchive, startArchive } from '../../../support/direct-archive.ts';
import { backUp } from '../../../support/direct-backup.ts';
import { oddSource, withClient, writeLarge, writeOrders } from '../../../support/odd-source.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';
import { waitUntil } from '../../../support/wait-until.ts';

const FIRST = makeSegmentId(1)!;
const QUICK = { intervalMs: 50, tidyMs: 200, keptMs: 0 };

async function archivedSource(archive: Record<string, unknown> = {}): Promise<{ stack: DatabaseStack; archive: DirectArchive }> {
  const stack = await oddSource({ segmentSizeMb: 1, database: { archive: { ...QUICK, ...archive } } });
  return { stack, archive: await following(stack) };
}

async function following(stack: DatabaseStack): Promise<DirectArchive> {
  const archive = await startArchive(stack);
  onTestFinished(() => archive.stop());
  return archive;
}

async function segmentsOf(stack: DatabaseStack): Promise<SegmentId[]> {
  const names = (await readdir(stack.walDir)).filter((name) => name.endsWith('.wal'));
  return names.map((name) => makeSegmentId(Number.parseInt(name, 16))!).sort((one, other) => one - other);
}

async function expectArchived({ walDir }: DatabaseStack, { deps }: DirectArchive, segments: readonly SegmentId[]): Promise<void> {
  for (const segment of segments) {
    const file = await readFile(join(walDir, segmentFileName(segment)));
    expect((await archivedBytes(deps, segment)).equals(file), segmentFileName(segment)).toBe(true);
  }
}

it('has what was written, whole, a look later', async () => {
  const { stack, archive } = await archivedSource({ tidyMs: 60_000 });
  for (const prefix of ['one', 'two', 'three']) {
    await writeOrders(stack.address, 5, prefix);
    await archive.looked();
    await expectArchived(stack, archive, [FIRST]);
  }
  const store = await archive.deps.openStore(DATABASE);
  const pieces = await store.stream.of('0001');
  for (const { sinceMs, seenMs } of pieces.slice(1)) {
    expect(seenMs).toBeGreaterThanOrEqual(sinceMs);
    expect(seenMs - sinceMs).toBeLessThan(30_000);
  }
});

it('follows writers at full speed over segments, keeps its objects few, and leaves the segments that it has stored to compaction', async () => {
  const { stack, archive } = await archivedSource();
  const writers = await startLoadWriters({ address: stack.address, writers: 8 });
  await writers.acknowledgedAtLeast(6_000);
  await writers.stop();
  await archive.looked();
  const segments = await segmentsOf(stack);
  expect(segments.length).toBeGreaterThan(2);
  await expectArchived(stack, archive, segments);
  const store = await archive.deps.openStore(DATABASE);
  const pins = join(stack.dataDir, '.rstow/pins/0001/archive');
  await waitUntil('only the newest segment is pinned', async () => (await readdir(pins)).length === 1);
  const log = await readArchivedLog(store, '0001');
  for (const segment of segments.slice(0, -1)) {
    expect(wholeUntil(log.walOf(segment))).toBe((await readFile(join(stack.walDir, segmentFileName(segment)))).length);
    expect(log.streamOf(segment)).toEqual([]);
  }
  const newest = async (): Promise<number> => (await readArchivedLog(store, '0001')).streamOf(segments.at(-1)!).length;
  await waitUntil('what was small is merged', async () => (await newest()) < 20);
  const times = await store.stream.times('0001');
  const marks = await Promise.all(times.map((range) => store.stream.readTimes(range)));
  expect(marks.flat().length).toBeGreaterThan(segments.length);
});

it('goes on where it stood, whoever ends it in between, and stores nothing twice', async () => {
  const { stack, archive } = await archivedSource({ tidyMs: 60_000 });
  await writeOrders(stack.address, 5);
  await archive.looked();
  await archive.stop();
  await writeOrders(stack.address, 5, 'meanwhile');
  const again = await following(stack);
  await again.looked();
  await expectArchived(stack, again, [FIRST]);
  const pieces = await (await again.deps.openStore(DATABASE)).stream.of('0001');
  const ranges = pieces.toSorted((one, other) => one.startBytes - other.startBytes);
  for (const [index, { startBytes }] of ranges.entries()) expect(startBytes).toBe(ranges[index - 1]?.endBytes ?? 0);
});

it('stores again what somebody has deleted of the archive, as long as a file has it', async () => {
  const { stack, archive } = await archivedSource();
  await writeOrders(stack.address, 20);
  await archive.looked();
  const store = await archive.deps.openStore(DATABASE);
  const lost = await store.stream.of('0001');
  await rm(join(stack.repositoryDir, lost[0]!.key));
  const isWhole = async (): Promise<boolean> => {
    const size = (await readFile(join(stack.walDir, segmentFileName(FIRST)))).length;
    return wholeUntil((await readArchivedLog(store, '0001')).piecesOf(FIRST)) === size;
  };
  await waitUntil('the hole is filled', isWhole);
  await expectArchived(stack, archive, [FIRST]);
});

it('waits while another one follows the same directory on this host', async () => {
  const { stack, archive } = await archivedSource();
  await archive.looked();
  const second = await following(stack);
  const looked = second.looked().then(() => 'looked');
  expect(await Promise.race([looked, delay(500, 'waits')])).toBe('waits');
  await archive.stop();
  expect(await looked).toBe('looked');
});

it('has the segments that compaction deletes, and a backup is the same with it or without', async () => {
  const { stack, archive } = await archivedSource();
  await withClient(stack.address, writeLarge);
  await archive.looked();
  const before = new Map<SegmentId, Buffer>();
  for (const segment of await segmentsOf(stack)) before.set(segment, await readFile(join(stack.walDir, segmentFileName(segment))));
  const { segmentsDeleted } = await withClient(stack.address, (client) => compact(client, { forceSnapshot: true, timeoutMs: 60_000 }));
  expect(segmentsDeleted).toBeGreaterThan(0);
  await archive.looked();
  for (const [segment, bytes] of before) expect((await archivedBytes(archive.deps, segment)).equals(bytes)).toBe(true);
  const { restorable } = await backUp(stack);
  expect(restorable).toBe('from-log');
});
