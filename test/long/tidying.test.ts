import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { logTimes } from '../../src/activities/recovery-point/log-times.ts';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { DATABASE } from '../support/database-stack.ts';
import { archivedBytes, startArchive } from '../support/direct-archive.ts';
import { backUp, directDeps } from '../support/direct-backup.ts';
import { oddSource, writeOrders } from '../support/odd-source.ts';
import { waitUntil } from '../support/wait-until.ts';

type SlowTimes = { deps: ActivityDeps; isWaiting: () => boolean; goOn: () => void };

/** A repository that does not answer for the times of what is merged until `goOn`. */
function withSlowTimes(deps: ActivityDeps): SlowTimes {
  const { promise: answers, resolve } = Promise.withResolvers<undefined>();
  let waiting = 0;
  const openStore: ActivityDeps['openStore'] = async (...of) => {
    const store = await deps.openStore(...of);
    const times: typeof store.stream.times = async (timeline) => {
      waiting += 1;
      await answers;
      return store.stream.times(timeline);
    };
    return { ...store, stream: { ...store.stream, times } };
  };
  return { deps: { ...deps, openStore }, isWaiting: () => waiting > 0, goOn: () => resolve(undefined) };
}

it('looks on while small objects are merged, and neither loses nor repeats what came meanwhile', async () => {
  const stack = await oddSource({ database: { archive: { intervalMs: 50, tidyMs: 100, keptMs: 600_000 } } });
  const { deps, isWaiting, goOn } = withSlowTimes(directDeps(stack));
  const archive = await startArchive(stack, deps);
  onTestFinished(() => archive.stop());
  const write = async (prefix: string): Promise<void> => {
    await writeOrders(stack.address, 2, prefix);
    await archive.looked();
  };
  await waitUntil('a merge is under way', async () => {
    await write(`before-${Date.now()}`);
    return isWaiting();
  });
  for (const prefix of ['one', 'two', 'three']) await write(prefix);
  const first = makeSegmentId(1)!;
  const isWhole = async (): Promise<boolean> =>
    (await archivedBytes(directDeps(stack), first)).equals(await readFile(join(stack.walDir, segmentFileName(first))));
  expect(await isWhole()).toBe(true);
  goOn();
  await waitUntil('the merge is done', async () => (await (await deps.openStore(DATABASE)).stream.times('0001')).length > 0);
  await write('after');
  expect(await isWhole()).toBe(true);
  const pieces = await (await deps.openStore(DATABASE)).stream.of('0001');
  const starts = pieces.map(({ startBytes }) => startBytes);
  // A merged object begins where the first of its parts does, and nothing else does so twice.
  const twice = starts.filter((start, index) => starts.indexOf(start) !== index);
  const merged = pieces.filter(({ startBytes, endBytes }) =>
    pieces.some((other) => other.startBytes > startBytes && other.endBytes <= endBytes),
  );
  expect(twice.every((start) => merged.some(({ startBytes }) => startBytes === start))).toBe(true);
});

it('still knows when records came, once a backup has stored them and their small objects are gone', async () => {
  const stack = await oddSource({ database: { archive: { intervalMs: 50, tidyMs: 100, keptMs: 1_000 } } });
  const archive = await startArchive(stack);
  onTestFinished(() => archive.stop());
  const store = await archive.deps.openStore(DATABASE);
  const untilGone = async (): Promise<void> => {
    await waitUntil('the small objects are gone', async () => (await store.stream.of('0001')).length === 0);
  };
  // A backup comes before there are so many that they are merged.
  for (const prefix of ['one', 'two']) {
    await writeOrders(stack.address, 2, prefix);
    await archive.looked();
    await backUp(stack);
    await untilGone();
  }
  const first = makeSegmentId(1)!;
  const { size } = await stat(join(stack.walDir, segmentFileName(first)));
  const times = await store.stream.times('0001');
  const known = await logTimes(store, { stream: [], times }).of(first);
  expect(known.map(({ startBytes }) => startBytes)).toEqual([0, ...known.slice(0, -1).map(({ endBytes }) => endBytes)]);
  expect(known.at(-1)).toMatchObject({ endBytes: size });
  expect(known.length).toBeGreaterThan(1);
  // What is known of a slow log is one object, not one for each of its records.
  expect(times).toHaveLength(1);
});
