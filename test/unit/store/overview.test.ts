import { beforeEach, expect, test } from 'vitest';
import { listNewest } from '../../../src/activities/catalogue/list-backups.ts';
import type { ActivityDeps } from '../../../src/activities/activity-deps.ts';
import { cataloguePrefix, manifestKey } from '../../../src/core/repository/object-keys.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { putManifest } from '../../../src/store/backups.ts';
import { claimOwnership } from '../../../src/store/ownership.ts';
import { createTimeline } from '../../../src/store/timelines.ts';
import { type Calls, countedRepository, openedAs } from '../../support/counted-repository.ts';
import { DATABASE, firstTimeline, keysOf, replaceObject } from '../activities/scene.ts';
import { claimOf, depsOf } from '../activities/several-repositories.ts';
import { manifest } from '../config/a-manifest.ts';

const BACKUPS = 1000;
const LIMIT = 200;

let memory: Repository;
let calls: Calls;
/** Of a process that has just started, and one that writes. */
let reader: ActivityDeps;
let owner: ActivityDeps;

const labelOf = (number: number): string => `20261129T${String(number).padStart(6, '0')}Z-hot`;

async function opened(): Promise<{ deps: ActivityDeps; calls: Calls }> {
  const counted = countedRepository(memory);
  return { deps: depsOf('one', { local: await openedAs(counted.repository)('local') }), calls: counted.calls };
}

beforeEach(async () => {
  memory = createMemoryRepository({ callsCost: true });
  await createTimeline(memory, DATABASE, firstTimeline);
  await claimOwnership(memory, DATABASE, claimOf('one'));
  for (let number = 1; number <= BACKUPS; number += 1) await backUp(memory, number);
  owner = (await opened()).deps;
  ({ deps: reader, calls } = await opened());
});

async function backUp(repository: Repository, number: number): Promise<void> {
  await putManifest(repository, { ...manifest, label: labelOf(number), runId: `run-${number}`, writtenAtMs: number, records: number });
}

const list = async (deps: ActivityDeps) => listNewest(await deps.openStore(DATABASE), LIMIT);
const refresh = async (): Promise<void> => (await owner.openStore(DATABASE)).overview.refresh();
const readManifests = (): string[] => calls.taken().filter((call) => call.startsWith('read') && call.endsWith('/manifest.json'));

test('a list of 1,000 backups costs at most 20 requests, and says what the manifests say', async () => {
  const before = await list(reader);
  expect(readManifests()).toHaveLength(LIMIT);
  await refresh();
  expect(await list(reader)).toEqual(before);
  const cost = calls.taken().length;
  expect([before.total, before.backups.length]).toEqual([BACKUPS, LIMIT]);
  // And the header's listing and reading, if it was not read lately.
  expect(cost).toBeLessThanOrEqual(18);
});

test('the catalogue is made again when enough backups are new, and until then those few are read', async () => {
  await refresh();
  const [first] = await keysOf(memory, cataloguePrefix(DATABASE));
  const repository = await openedAs(memory)('local');
  for (let number = BACKUPS + 1; number <= BACKUPS + 4; number += 1) await backUp(repository, number);
  owner = depsOf('one', { local: repository });
  await refresh();
  expect(await keysOf(memory, cataloguePrefix(DATABASE))).toEqual([first]);
  expect((await list(reader)).backups[0]).toMatchObject({ label: labelOf(BACKUPS + 4), records: BACKUPS + 4 });
  expect(readManifests()).toHaveLength(4);
  await backUp(repository, BACKUPS + 5);
  await refresh();
  const keys = await keysOf(memory, cataloguePrefix(DATABASE));
  expect(keys).toHaveLength(1);
  expect(keys).not.toEqual([first]);
  expect((await list(reader)).backups[0]).toMatchObject({ label: labelOf(BACKUPS + 5) });
  expect(readManifests()).toEqual([]);
});

test('a backup whose manifest is gone is not listed, whatever the catalogue says', async () => {
  await refresh();
  await memory.deleteMany([manifestKey(DATABASE, labelOf(BACKUPS - 1))]);
  const { backups } = await list(reader);
  expect(backups.slice(0, 2).map(({ label }) => label)).toEqual([labelOf(BACKUPS), labelOf(BACKUPS - 2)]);
});

test('a damaged catalogue is as none, and the next one takes its place', async () => {
  const before = await list(reader);
  await refresh();
  const [key] = await keysOf(memory, cataloguePrefix(DATABASE));
  await replaceObject(memory, key!, Buffer.from('{}'));
  calls.taken();
  expect(await list(reader)).toEqual(before);
  expect(readManifests()).toHaveLength(LIMIT);
  owner = (await opened()).deps;
  await refresh();
  expect(await keysOf(memory, cataloguePrefix(DATABASE))).not.toContain(key);
  expect(await list(reader)).toEqual(before);
});

test('a host that recovers a database sees the newest backup of its former owner, however lately it has looked', async () => {
  const store = await reader.openStore(DATABASE);
  const newest = async (recalls: boolean): Promise<string | undefined> =>
    (await store.backups.newestOfTimeline({ timeline: '0001', exceptRunId: '', recalls }))?.label;
  expect([await newest(true), await newest(false)]).toEqual([labelOf(BACKUPS), labelOf(BACKUPS)]);
  await backUp(memory, BACKUPS + 1);
  expect([await newest(true), await newest(false)]).toEqual([labelOf(BACKUPS), labelOf(BACKUPS + 1)]);
});
