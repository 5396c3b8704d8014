import { cp, rename, rm } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inspectLiveDatabase, type LiveDatabase } from '../../../../src/activities/recovery/restart-server.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps, directRun, restoreInPlace } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';

let stack: DatabaseStack;

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
});
afterEach(() => stack.remove());

async function writeMore(): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix: `at-${Date.now()}` });
  await load.acknowledgedAtLeast(20);
  await load.stop();
}

const inspect = (): Promise<LiveDatabase> => directRun(directDeps(stack))(inspectLiveDatabase, { database: DATABASE });

it('is as new as its backups, with what was written since and without', async () => {
  await writeMore();
  await backUp(stack);
  expect(await inspect()).toEqual({ isUp: true, isAsNew: true });
  await writeMore();
  expect(await inspect()).toEqual({ isUp: true, isAsNew: true });
});

it('is as new where somebody has restored an older backup on purpose, though no backup has followed yet', async () => {
  await writeMore();
  const { label } = await backUp(stack);
  await writeMore();
  await backUp(stack);
  await restoreInPlace(stack, label);
  expect(await inspect()).toEqual({ isUp: true, isAsNew: true });
});

it.each([
  ['the same history', async () => undefined],
  ['the history that a restore has left', (label: string) => restoreInPlace(stack, label)],
])('is not as new where old data came back, of %s', async (_which, leave) => {
  await writeMore();
  const { label } = await backUp(stack);
  await stack.service.stop();
  await cp(stack.walDir, `${stack.walDir}.old`, { recursive: true });
  await stack.service.start();
  await leave(label);
  await writeMore();
  await backUp(stack);
  await stack.service.stop();
  await rm(stack.walDir, { recursive: true });
  await rename(`${stack.walDir}.old`, stack.walDir);
  await stack.service.start();
  expect(await inspect()).toEqual({ isUp: true, isAsNew: false });
});

it('is not up where its server does not answer', async () => {
  await writeMore();
  await backUp(stack);
  await stack.service.stop();
  expect(await inspect()).toEqual({ isUp: false, isAsNew: false });
});
