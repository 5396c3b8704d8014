import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../support/database-stack.ts';
import { backUp, directDeps, restoreInPlace, verifyByReplay } from '../../support/direct-backup.ts';
import { startLoadWriters } from '../../support/load-writers.ts';
import { createCatchUp } from '../../../src/worker/watch/catch-up.ts';

let stack: DatabaseStack;

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1', hasCopy: true, segmentSizeMb: 1 });
});
afterAll(() => stack.remove());

async function write(prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 2, prefix });
  await load.acknowledgedAtLeast(200);
  await load.stop();
}

it('takes a backup of the whole log, though it holds nothing of the histories that the log is made of', async () => {
  await write('first');
  const { label } = await backUp(stack);
  await restoreInPlace(stack, label);
  await write('second');
  const primary = await backUp(stack);
  await mkdir(stack.copyDir);
  await expect(backUp(stack, { repository: 'copy' })).rejects.toMatchObject({ code: 'timeline-diverged' });
  await createCatchUp(directDeps(stack))(DATABASE);
  const second = await backUp(stack, { repository: 'copy' });
  const { timeline, stateDigest, records } = primary;
  expect(second).toMatchObject({ timeline, stateDigest, records });
  expect(timeline).toBe('0002');
  await verifyByReplay(stack, second, 'copy');
});
