import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import { claimOwnership } from '../../../../src/store/ownership.ts';
import { findStaleServer } from '../../../../src/activities/recovery/ownership.ts';
import type { StaleServer } from '../../../../src/contract/describe-database.ts';
import { writeTimelineFile } from '../../../../src/io/data-directory/rstow-folder.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';

let stack: DatabaseStack;
let deps: ActivityDeps;
let generation = 1;

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
  deps = directDeps(stack);
  await write('first');
  await backUp(stack);
});
beforeEach(() => writeTimelineFile(stack.walDir, { format: 1, database: DATABASE, timeline: '0001', generation: 1 }));
afterAll(() => stack.remove());

async function write(prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix });
  await load.acknowledgedAtLeast(10);
  await load.stop();
}

/** Another installation takes the database over, and goes on with that history. */
async function takenOver(timeline: string): Promise<StaleServer['owner']> {
  generation += 1;
  const owner = { agent: 'db2', generation, claimedAtMs: 1_795_000_000_000 };
  const claim = { format: 1 as const, ...owner, installationId: 'other', temporal: { clusterId: 'none', namespace: 'none' }, timeline };
  expect(await claimOwnership(await stack.openRepository(), DATABASE, claim)).toBe(true);
  return owner;
}

const find = (by: ActivityDeps = deps): Promise<StaleServer | null> =>
  findStaleServer(by)({ database: DATABASE }, { signal: new AbortController().signal });

it('finds none where this installation is the owner', async () => {
  expect(await find()).toBe(null);
});

it('names the server that answers on with the history of before, also while clients write to it', async () => {
  const owner = await takenOver('0002');
  await write('unaware');
  expect(await find()).toEqual({ agent: 'db1', address: stack.address, owner });
});

it.each([
  ['was adopted as it is', '0001', { timeline: '0001', generation: 1 }],
  ['was adopted, and restored in place since', '0001', { timeline: '0003', generation: 1_000 }],
])('leaves one alone that %s by the present owner', async (_how, timeline, file) => {
  await takenOver(timeline);
  await writeTimelineFile(stack.walDir, { format: 1, database: DATABASE, ...file });
  expect(await find()).toBe(null);
});

it('calls a history stale that does not say which one it is', async () => {
  const owner = await takenOver('0002');
  await writeFile(join(stack.walDir, 'rstow-timeline.json'), 'half of');
  expect(await find()).toMatchObject({ owner });
});

it('leaves a server alone that only has the old one’s address', async () => {
  await takenOver('0002');
  const dataDir = join(stack.folder, 'old-data');
  await cp(stack.dataDir, dataDir, { recursive: true });
  await write('elsewhere');
  const databases = { [DATABASE]: { ...stack.settings, dataDir } };
  expect(await find({ ...deps, config: { ...deps.config, databases } })).toBe(null);
});

it('finds none where nothing answers', async () => {
  await takenOver('0002');
  await stack.service.stop();
  expect(await find()).toBe(null);
});
