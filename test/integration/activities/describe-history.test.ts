/** What `rstow info` says of a real server's history: which points can be had, its timelines, marks, and what each repository has. */
import { cp, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeProtection, type DescribedDatabase } from '../../../src/activities/catalogue/describe-protection.ts';
import { promisedExtents, summariseExtents } from '../../../src/core/backup/segment-plan.ts';
import type { Manifest } from '../../../src/formats/repository/manifest.ts';
import { listSegments } from '../../../src/io/data-directory/segments.ts';
import { createInstance } from '../../../src/io/rstmdb/instances.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { backUp, directDeps, explainPoint, restoreInPlace } from '../../support/direct-backup.ts';
import { makeOddSource, oddSource, withClient, writeOrders } from '../../support/odd-source.ts';
import { rstow } from '../../support/rstow-command.ts';

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
  return backUp(stack, { isUncopied: true });
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
  const behind = await describeProtection(directDeps(stack))({ database: DATABASE, repository: 'copy' });
  expect(behind.window).toMatchObject({ timeline: '0003', offsets: { to: endOf(first) }, times: { untilMs: first.writtenAtMs } });
  expect(behind.history).toMatchObject([{ timeline: '0001', standing: 'before', end: endOf(second) }]);
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

it('ends the window before what compaction has deleted unstored, and says what that puts out of reach', async () => {
  const source = await oddSource({ segmentSizeMb: 1 });
  await writeOrders(source.address, 1);
  await withClient(source.address, async (client) => {
    for (let serial = 0; serial < 130; serial += 1) {
      await createInstance(client, { id: `big-${serial}`, machine: 'order', version: 1, ctxText: `"${'x'.repeat(20_000)}"` });
    }
  });
  const files = await listSegments(source.walDir);
  expect(files!.length).toBe(3);
  await rm(files![1]!.path);
  const { restorable, label } = await backUp(source, { isUnrescued: true });
  expect(restorable).toBe('no');
  const { window } = await describeProtection(directDeps(source))({ database: DATABASE });
  const [first, , third] = files!;
  const begin = (segment: number): string => (BigInt(segment) << 40n).toString();
  expect(window).toEqual({
    timeline: '0001',
    offsets: { from: begin(1), to: (BigInt(begin(1)) + BigInt(first!.sizeBytes)).toString() },
    times: null,
    holes: [{ from: begin(2), to: begin(3) }],
    lost: { from: begin(3), to: (BigInt(begin(3)) + BigInt(third!.sizeBytes)).toString() },
    archive: null,
  });
  const config = ['--config', source.configFile];
  const logged = await rstow(['log', DATABASE, '--type', 'create_instance', ...config]);
  expect(logged.stderr).toBe('warning: wal-gap: the stored log lacks segment 2; what stood there is not shown\n');
  expect(logged.stdout).toContain('"instance":"big-129"');
  for (const [before, after] of [
    [label, 'latest'],
    [`offset:${begin(1)}`, 'now'],
  ] as const) {
    const compared = await rstow(['diff', DATABASE, before, after, ...config]);
    expect(compared.exitCode).toBe(15);
    expect(compared.stderr).toMatch(/^error: wal-gap: .*lacks segment 2.*\nhint: /);
  }
});
