/** What `rstow info` says of a real server's history: which points can be had, its timelines, marks, and what each repository has. */
import { cp } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeProtection, type DescribedDatabase } from '../../../src/activities/catalogue/describe-protection.ts';
import { promisedExtents, summariseExtents } from '../../../src/core/backup/segment-plan.ts';
import type { Manifest } from '../../../src/formats/repository/manifest.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { backUp, directDeps, explainPoint, restoreInPlace } from '../../support/direct-backup.ts';
import { makeOddSource, writeOrders } from '../../support/odd-source.ts';

let stack: DatabaseStack;

beforeAll(async () => {
  stack = await makeOddSource({ hasCopy: true });
});

afterAll(() => stack.remove());

async function described(): Promise<DescribedDatabase> {
  return describeProtection(directDeps(stack))({ database: DATABASE });
}

async function backUpMore(prefix: string): Promise<Manifest> {
  await writeOrders(stack.address, 3, prefix);
  return backUp(stack);
}

const endOf = ({ segments }: Manifest): string => summariseExtents(promisedExtents(segments)).end;

it('knows no window of a database without a backup, and says which repository is away', async () => {
  const { window, history, copies } = await described();
  expect({ window, history }).toEqual({ window: null, history: [] });
  expect(copies).toMatchObject([
    { repository: 'local', newest: null },
    { repository: 'copy', failure: { code: 'repository-unavailable' } },
  ]);
});

it('tells two restores in a row as forks, and the points of the history in use', async () => {
  const first = await backUpMore('first');
  const second = await backUpMore('second');
  await cp(stack.repositoryDir, stack.copyDir, { recursive: true });
  await restoreInPlace(stack, first.label);
  const third = await backUpMore('third');
  await restoreInPlace(stack, first.label);
  const begun = await described();
  expect(begun).toMatchObject({ timelines: 3, window: { timeline: '0003', offsets: { to: endOf(first) }, holes: [], lost: null } });
  expect(begun.history[0]).toMatchObject({ timeline: '0003', standing: 'inUse', backups: 0, end: endOf(first), writtenAtMs: null });
  const fourth = await backUpMore('fourth');
  const { window, history, copies } = await described();
  expect(history.map(({ timeline, parent, standing, end }) => [timeline, parent?.timeline, parent?.at, standing, end])).toEqual([
    ['0003', '0001', endOf(first), 'inUse', endOf(fourth)],
    ['0002', '0001', endOf(first), 'left', endOf(third)],
    ['0001', undefined, undefined, 'before', endOf(second)],
  ]);
  expect(window).toMatchObject({
    timeline: '0003',
    offsets: { to: endOf(fourth) },
    times: { sinceMs: first.writtenAtMs, untilMs: fourth.writtenAtMs },
  });
  expect(copies.map(({ repository, newest }) => [repository, newest?.label])).toEqual([
    ['local', fourth.label],
    ['copy', first.label],
  ]);
  // What the window promises can be had.
  for (const timeMs of [window!.times!.sinceMs, window!.times!.untilMs]) {
    await explainPoint(stack, { target: { time: new Date(timeMs).toISOString() } });
  }
  await expect(explainPoint(stack, { target: { time: new Date(window!.times!.sinceMs - 1).toISOString() } })).rejects.toMatchObject({
    code: 'point-not-found',
  });
});

it('lists the marks, the newest first', async () => {
  const { marks } = await directDeps(stack).openStore(DATABASE);
  const label = (await described()).latest!.label;
  for (const [name, atMs] of [
    ['later', 200],
    ['earlier', 100],
  ] as const) {
    await marks.put({ name, timeline: '0003', label, runId: name, atMs });
  }
  expect(await described()).toMatchObject({
    marks: 2,
    marked: [
      { name: 'later', timeline: '0003', label, atMs: 200 },
      { name: 'earlier', timeline: '0003', label, atMs: 100 },
    ],
  });
});
