import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { ActivityDeps, EventFact } from '../../src/activities/activity-deps.ts';
import { agentConfigSchema } from '../../src/config/agent-config.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import type { SourceNote } from '../../src/formats/agent-state.ts';
import type { Owner, Timeline } from '../../src/formats/repository/history.ts';
import { readTimelineFile, writeTimelineFile } from '../../src/io/data-directory/rstow-folder.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { archivedBytes, type DirectArchive, startArchive } from '../support/direct-archive.ts';
import { backUp, directDeps, expectSameWal, recoverElsewhere, restoreElsewhere } from '../support/direct-backup.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { oddSource, scratchFolder, withClient, writeLarge, writeOrders } from '../support/odd-source.ts';
import { startRstmdb } from '../support/rstmdb-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const FIRST = makeSegmentId(1)!;
const QUICK = { intervalMs: 50, tidyMs: 200, keptMs: 0 };

async function source(): Promise<DatabaseStack> {
  return oddSource({ segmentSizeMb: 1, database: { archive: QUICK } });
}

type Heard = DirectArchive & { facts: EventFact[] };

async function following(stack: DatabaseStack, changes: Partial<ActivityDeps> = {}): Promise<Heard> {
  const facts: EventFact[] = [];
  const archive = await startArchive(stack, {
    ...directDeps(stack),
    events: { record: (fact) => fact.kind !== 'archive-looked' && facts.push(fact) },
    ...changes,
  });
  onTestFinished(() => archive.stop());
  return { ...archive, facts };
}

const fileOf = (stack: DatabaseStack, segment = FIRST): string => join(stack.walDir, segmentFileName(segment));
const sizeOf = async (stack: DatabaseStack, segment = FIRST): Promise<number> => (await readFile(fileOf(stack, segment))).length;
const noteFile = (stack: DatabaseStack): string => join(stack.config.agent.stateDir, DATABASE, 'source', 'local.json');

/** As if what was noted last had been noted before the host was booted. */
async function asBefore(stack: DatabaseStack): Promise<void> {
  const note = JSON.parse(await readFile(noteFile(stack), 'utf8')) as SourceNote;
  await writeFile(noteFile(stack), JSON.stringify({ ...note, bootId: randomUUID() }));
}

async function timelines(stack: DatabaseStack): Promise<Timeline[]> {
  return [...(await (await directDeps(stack).openStore(DATABASE)).timelines.all()).values()];
}

/** Orders that are archived, and then lost by a crash of the host before their file was synced. Gives how long the file is then. */
async function crashed(stack: DatabaseStack): Promise<number> {
  const first = await following(stack);
  await writeOrders(stack.address, 5);
  await first.looked();
  await first.stop();
  await writeOrders(stack.address, 5, 'kept');
  const keptBytes = await sizeOf(stack);
  await writeOrders(stack.address, 4, 'lost');
  const archive = await following(stack);
  await archive.looked();
  const pieces = await (await archive.deps.openStore(DATABASE)).stream.of('0001');
  expect(pieces.filter(({ startBytes, endBytes }) => startBytes < keptBytes && endBytes > keptBytes)).toHaveLength(1);
  await archive.stop();
  await stack.service.stop();
  await truncate(fileOf(stack), keptBytes);
  await asBefore(stack);
  await stack.startServer();
  await writeOrders(stack.address, 3, 'after');
  return keptBytes;
}

it('begins a new timeline at the last record that a crash of the host has left, and keeps what it has taken on the old one', async () => {
  const stack = await source();
  const keptBytes = await crashed(stack);
  const archive = await following(stack);
  await archive.looked();
  // Two of the four were paid.
  expect(archive.facts).toMatchObject([{ kind: 'crash-fork', from: '0001', timeline: '0002', lostRecords: 6 }]);
  expect(await timelines(stack)).toMatchObject([
    { timeline: '0001' },
    { timeline: '0002', why: 'crash', parent: { timeline: '0001', extents: [{ segment: FIRST, endBytes: keptBytes }] } },
  ]);
  expect((await readTimelineFile(stack.walDir))?.timeline).toBe('0002');
  const store = await archive.deps.openStore(DATABASE);
  expect((await store.owner.find()).owner).toMatchObject({ timeline: '0002', generation: 2 });
  const file = await readFile(fileOf(stack));
  expect((await archivedBytes(archive.deps, FIRST, '0002')).equals(file)).toBe(true);
  const old = await archivedBytes(archive.deps, FIRST);
  expect(old.subarray(0, keptBytes).equals(file.subarray(0, keptBytes))).toBe(true);
  expect(old.subarray(keptBytes).includes('lost-3')).toBe(true);
});

it('does the same in a backup that comes first, and the archive goes on from there', async () => {
  const stack = await source();
  await writeOrders(stack.address, 1, 'oldest');
  await backUp(stack);
  await crashed(stack);
  const manifest = await backUp(stack);
  expect(manifest).toMatchObject({ timeline: '0002', restorable: 'from-log' });
  const dataDir = join(await scratchFolder(), 'restored');
  await restoreElsewhere(stack, manifest.label, dataDir);
  await expectSameWal(manifest, stack.walDir, join(dataDir, 'wal'));
  const archive = await following(stack);
  await archive.looked();
  expect(archive.facts).toEqual([]);
  expect(await timelines(stack)).toHaveLength(2);
  const left = join(await scratchFolder(), 'left');
  await recoverElsewhere(stack, { target: { latest: true }, timeline: '0001' }, left);
  const leftLog = await readFile(join(left, 'wal', segmentFileName(FIRST)));
  expect(leftLog.includes('lost-3')).toBe(true);
  expect(leftLog.includes('after-')).toBe(false);
});

it('goes on with the timeline that an attempt before has made, wherever that was killed', async () => {
  const stack = await source();
  await crashed(stack);
  const deps = directDeps(stack);
  const killed: ActivityDeps['openStore'] = async (...of) => {
    const store = await deps.openStore(...of);
    return { ...store, owner: { ...store.owner, follow: async () => Promise.reject(new Error('killed')) } };
  };
  await expect((await following(stack, { openStore: killed })).ended).rejects.toThrow('killed');
  expect(await timelines(stack)).toHaveLength(2);
  expect((await readTimelineFile(stack.walDir))?.timeline).toBe('0001');
  const note = await readFile(noteFile(stack));
  const next = await following(stack);
  await waitUntil('the log says so', async () => (await readTimelineFile(stack.walDir))?.timeline === '0002');
  await next.stop();
  // As if only that had not come to pass.
  await writeTimelineFile(stack.walDir, { format: 1, database: DATABASE, timeline: '0001', generation: 1 });
  await writeFile(noteFile(stack), note);
  const archive = await following(stack);
  await archive.looked();
  expect(archive.facts).toMatchObject([{ kind: 'crash-fork', timeline: '0002' }]);
  expect(await timelines(stack)).toHaveLength(2);
  expect((await archivedBytes(archive.deps, FIRST, '0002')).equals(await readFile(fileOf(stack)))).toBe(true);
});

it('takes a segment whose file a crash has left nameless for lost', async () => {
  const stack = await source();
  const second = makeSegmentId(2)!;
  const archive = await following(stack);
  await withClient(stack.address, writeLarge);
  await archive.looked();
  expect(await sizeOf(stack, second)).toBeGreaterThan(0);
  const firstBytes = await sizeOf(stack);
  await archive.stop();
  await stack.service.stop();
  for (const name of await readdir(stack.walDir))
    if (name.endsWith('.wal') && name !== segmentFileName(FIRST)) await rm(join(stack.walDir, name));
  await asBefore(stack);
  await stack.startServer();
  await writeOrders(stack.address, 3, 'after');
  const again = await following(stack);
  await again.looked();
  expect((await timelines(stack))[1]?.parent?.extents).toEqual([{ segment: FIRST, endBytes: firstBytes }]);
  expect((await archivedBytes(again.deps, FIRST, '0002')).equals(await readFile(fileOf(stack)))).toBe(true);
  expect((await archivedBytes(again.deps, second)).includes('large-')).toBe(true);
});

/** That none of them has written anything. */
async function expectDiverged(stack: DatabaseStack): Promise<void> {
  const before = await folderHashes(stack.repositoryDir);
  await expect((await following(stack)).ended).rejects.toMatchObject({ code: 'timeline-diverged' });
  await expect(backUp(stack)).rejects.toMatchObject({ code: 'timeline-diverged' });
  const after = await folderHashes(stack.repositoryDir);
  // What a backup that has failed leaves are its label and its plans.
  const isLog = ([key]: [string, unknown]): boolean => !/\/(labels|plans)(\/|$)/.test(key);
  expect([...after].filter(isLog)).toEqual([...before].filter(isLog));
}

it('writes nothing if a file is shorter than what is archived of it, and the host has not crashed', async () => {
  const stack = await source();
  await crashed(stack);
  await rm(noteFile(stack));
  await expectDiverged(stack);
});

it('writes nothing of a copy of the data directory that was put in its place, even after a reboot', async () => {
  const stack = await source();
  const archive = await following(stack);
  await writeOrders(stack.address, 5);
  await archive.looked();
  const copy = `${stack.dataDir}-copy`;
  await stack.service.stop();
  await cp(stack.dataDir, copy, { recursive: true });
  await stack.startServer();
  await writeOrders(stack.address, 5, 'since');
  await archive.looked();
  await archive.stop();
  await stack.service.stop();
  await rename(stack.dataDir, `${stack.dataDir}-original`);
  await rename(copy, stack.dataDir);
  await asBefore(stack);
  await stack.startServer();
  // Of as many bytes, and more.
  await writeOrders(stack.address, 12, 'other');
  await expectDiverged(stack);
});

it('stops at once if other files are put into wal/ while it follows, and writes nothing of them', async () => {
  const stack = await source();
  const archive = await following(stack);
  await writeOrders(stack.address, 5);
  await archive.looked();
  const aside = join(await scratchFolder(), 'aside');
  await stack.service.stop();
  await cp(stack.walDir, aside, { recursive: true });
  await stack.startServer();
  await writeOrders(stack.address, 5, 'since');
  await archive.looked();
  await stack.service.stop();
  await archive.looked();
  const before = await folderHashes(stack.repositoryDir);
  for (const name of await readdir(stack.walDir)) {
    await rm(join(stack.walDir, name));
    await cp(join(aside, name), join(stack.walDir, name));
  }
  await archive.ended;
  await expect((await following(stack)).ended).rejects.toMatchObject({ code: 'timeline-diverged' });
  expect(await folderHashes(stack.repositoryDir)).toEqual(before);
});

it('follows a copy that has everything, though the pins beside it are copies as well', async () => {
  const stack = await source();
  const archive = await following(stack);
  await writeOrders(stack.address, 5);
  await archive.looked();
  await archive.stop();
  await stack.service.stop();
  const copy = `${stack.dataDir}-copy`;
  await mkdir(copy);
  // No tool that keeps hard links.
  await cp(stack.dataDir, copy, { recursive: true });
  await rm(stack.dataDir, { recursive: true });
  await rename(copy, stack.dataDir);
  await stack.startServer();
  const again = await following(stack);
  await writeOrders(stack.address, 5, 'since');
  await again.looked();
  expect((await archivedBytes(again.deps, FIRST)).equals(await readFile(fileOf(stack)))).toBe(true);
});

it('stops one of two clones that follow at once, though nothing tells them apart', async () => {
  const stack = await source();
  const archive = await following(stack);
  await writeOrders(stack.address, 5);
  await archive.looked();
  const dataDir = join(stack.folder, 'clone');
  await cp(stack.dataDir, dataDir, { recursive: true });
  const server = await startRstmdb({ dataDir, env: { RSTMDB_COMPACT_ENABLED: 'false' } });
  onTestFinished(() => server.kill());
  const databases = { [DATABASE]: { ...stack.plain.databases[DATABASE], dataDir, server: { address: server.address } } };
  const agent = { ...stack.plain.agent, stateDir: join(stack.folder, 'clone-state') };
  const config = agentConfigSchema.parse({ ...stack.plain, agent, databases });
  const clone = await following({ ...stack, config, settings: config.databases[DATABASE]! });
  await clone.looked();
  await Promise.all([writeOrders(stack.address, 3, 'here'), writeOrders(server.address, 7, 'there')]);
  await expect(Promise.race([archive.ended, clone.ended])).rejects.toMatchObject({ code: 'timeline-diverged' });
});

it('writes nothing for a former owner that returns, nor from a host that turns out to be a clone', async () => {
  const stack = await source();
  let isClone = false;
  const archive = await following(stack, {
    requireInstallation: async () =>
      isClone ? Promise.reject(new RstowError('installation-cloned', 'made on another machine')) : Promise.resolve(),
  });
  await writeOrders(stack.address, 5);
  await archive.looked();
  await archive.looked();
  isClone = true;
  const before = await folderHashes(stack.repositoryDir);
  await writeOrders(stack.address, 5, 'of the clone');
  await expect(archive.ended).rejects.toMatchObject({ code: 'installation-cloned' });
  expect(await folderHashes(stack.repositoryDir)).toEqual(before);

  const deps = directDeps(stack);
  const store = await deps.openStore(DATABASE);
  const claim = { ...((await store.owner.find()).owner as Owner), generation: 2, installationId: randomUUID() };
  expect(await store.claims.put(claim)).toBe(true);
  const taken = await folderHashes(stack.repositoryDir);
  await expect((await following(stack)).ended).rejects.toMatchObject({ code: 'owner-outdated' });
  expect(await folderHashes(stack.repositoryDir)).toEqual(taken);
});
