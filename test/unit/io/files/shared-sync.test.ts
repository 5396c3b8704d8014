import { expect, test } from 'vitest';
import { createSharedSync } from '../../../../src/io/files/durable.ts';

/** Syncs that end when the test says so. */
function heldSyncs(): { sync: (folder: string) => Promise<boolean>; begun: PromiseWithResolvers<boolean>[] } {
  const begun: PromiseWithResolvers<boolean>[] = [];
  const sync = createSharedSync(() => {
    const held = Promise.withResolvers<boolean>();
    begun.push(held);
    return held.promise;
  });
  return { sync, begun };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('who comes while a folder is synced waits for the next sync, and all of them share it', async () => {
  const { sync, begun } = heldSyncs();
  const first = sync('a');
  await settle();
  const later = [sync('a'), sync('a'), sync('a')];
  await settle();
  expect(begun).toHaveLength(1);
  begun[0]?.resolve(true);
  expect(await first).toBe(true);
  await settle();
  expect(begun).toHaveLength(2);
  begun[1]?.resolve(false);
  expect(await Promise.all(later)).toEqual([false, false, false]);
});

test('another folder does not wait, and a failure is told to those who shared that sync alone', async () => {
  const { sync, begun } = heldSyncs();
  const [one, other] = [sync('a'), sync('b')];
  await settle();
  expect(begun).toHaveLength(2);
  const later = sync('a');
  begun[0]?.reject(new Error('no disk'));
  await expect(one).rejects.toThrow('no disk');
  await settle();
  begun[1]?.resolve(true);
  begun[2]?.resolve(true);
  expect(await Promise.all([other, later])).toEqual([true, true]);
});
