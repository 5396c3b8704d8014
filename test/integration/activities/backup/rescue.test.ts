import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ORDER_MACHINE } from '../../../../demo/orders.ts';
import { putMachine } from '../../../../src/io/rstmdb/server.ts';
import { backUp, restoreElsewhere, restoreInPlace, verifyByReplay } from '../../../support/direct-backup.ts';
import { codesOf, create, expectRestorable, loseSegments, pay, remove, segmentNames } from '../../../support/lost-log.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, withClient, writeOrders } from '../../../support/odd-source.ts';

it('makes a backup restorable whose early segments were gone before the first one, instances of every fate in it', async () => {
  // One record a segment: the machine is in the first.
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 8, 'early');
  for (const id of ['gone', 'back', 'kept']) await create(stack, id, 1);
  await remove(stack, 'gone');
  const lost = (await segmentNames(stack.walDir)).length;
  await pay(stack, 'early-0');
  await pay(stack, 'kept');
  await remove(stack, 'back');
  await remove(stack, 'early-2');
  await create(stack, 'back', 2);
  await create(stack, 'gone', 2);
  await create(stack, 'late', 1);
  await create(stack, 'brief', 1);
  await remove(stack, 'brief');
  await withClient(stack.address, (client) => putMachine(client, { ...ORDER_MACHINE, version: 2 }));
  await loseSegments(stack, lost);
  const first = await backUp(stack);
  expect(codesOf(first)).toEqual(['log-rescued']);
  expect(first).toMatchObject({ timeline: '0002', instances: 11, machines: 2 });
  expect(first.segments[0]?.segment).toBe(lost);
  await expectRestorable(stack, first);
  // The machine is the same to whoever puts it again, though the server gave it back in another form.
  await create(stack, 'later', 1);
  const second = await backUp(stack);
  expect(second).toMatchObject({ timeline: '0002', warnings: [] });
  expect(second.segments[0]).toEqual(first.segments[0]);
  // What is lost of the server later does no harm any more.
  await loseSegments(stack, lost + 5);
  await create(stack, 'last', 1);
  await expectRestorable(stack, await backUp(stack));
  const restored = await restoreInPlace(stack, 'latest');
  expect(restored).toMatchObject({ timeline: '0003' });
  expect(await sourceDigest(stack)).toBe(restored.stateDigest);
  await writeOrders(stack.address, 2, 'after');
  expect(await backUp(stack)).toMatchObject({ restorable: 'from-baseline', timeline: '0003', stateDigest: await sourceDigest(stack) });
});

it('rescues what a server still shows that was started without its first segments, and says what an earlier backup has beyond that', async () => {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 4, 'early');
  await create(stack, 'orphan', 1);
  const whole = await backUp(stack);
  const lost = whole.segments.at(-1)!.segment;
  await create(stack, 'between', 1);
  await pay(stack, 'orphan');
  await withClient(stack.address, (client) => putMachine(client, { ...ORDER_MACHINE, version: 2 }));
  await loseSegments(stack, lost + 1);
  await stack.service.stop();
  await stack.startServer();
  // The server has forgotten it, and its event of before stands in the log that is left.
  await writeOrders(stack.address, 2, 'new');
  await create(stack, 'orphan', 2);
  const rescued = await backUp(stack);
  expect(codesOf(rescued)).toEqual(['log-rescued', 'state-lost']);
  expect(rescued.warnings[1]?.message).toMatch(/holds 4 instances \(early-0, early-1, early-2, …\) that/);
  await expectRestorable(stack, rescued);
  await verifyByReplay(stack, whole);
  const copy = join(await scratchFolder(), 'whole');
  await restoreElsewhere(stack, whole.label, copy);
  expect(await expectSound(stack, copy)).toBe(whole.stateDigest);
});

it('takes older pieces where they complete the log', async () => {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 4, 'early');
  const { segments } = await backUp(stack);
  await writeOrders(stack.address, 4, 'late');
  await loseSegments(stack, segments.at(-1)!.segment - 1);
  expect(await backUp(stack)).toMatchObject({
    restorable: 'from-log',
    timeline: '0001',
    stateDigest: await sourceDigest(stack),
    warnings: [],
  });
});
