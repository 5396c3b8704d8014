import { expect, test } from 'vitest';
import { allEnded, batchesOf } from '../../../src/store/small-batches.ts';

const mebibyte = 1024 * 1024;

test('small items come in groups, in their order, and a large one is alone', () => {
  const sizes = [1, 2, 3, 4, 5 * mebibyte, 5, 3 * mebibyte, 2 * mebibyte];
  const batches = [...batchesOf(sizes, { sizeBytesOf: (size) => size, countMax: 3 })];
  expect(batches).toEqual([[1, 2, 3], [4], [5 * mebibyte], [5, 3 * mebibyte], [2 * mebibyte]]);
  expect([...batchesOf([], { sizeBytesOf: () => 1, countMax: 3 })]).toEqual([]);
});

test('the first failure is told when all have ended', async () => {
  const ended: string[] = [];
  const slow = Promise.withResolvers<boolean>();
  const works = [slow.promise.then(() => void ended.push('slow')), Promise.reject(new Error('first')), Promise.reject(new Error('second'))];
  const all = allEnded(works).finally(() => ended.push('told'));
  slow.resolve(true);
  await expect(all).rejects.toThrow('first');
  expect(ended).toEqual(['slow', 'told']);
});
