import { appendFile, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { carryInto } from '../../../../src/activities/restore/carry-over.ts';
import { segmentFileName, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import type { RestorePlan } from '../../../../src/formats/repository/plans.ts';
import { orderRecord } from '../../../support/wal-writer.ts';

const [one, two, three, four, five] = ['a', 'b', 'c', 'd', 'e'].map((id) => Buffer.from(orderRecord(id))) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
];
const { signal } = new AbortController();

let walDir: string;
let stagedDir: string;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-carry-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  [walDir, stagedDir] = [join(folder, 'wal'), join(folder, 'staged')];
  for (const dir of [walDir, stagedDir]) await mkdir(dir);
});

const pathIn = (dir: string, segment: number): string => join(dir, segmentFileName(segment as SegmentId));
const write = (dir: string, segment: number, ...parts: Buffer[]): Promise<void> => writeFile(pathIn(dir, segment), Buffer.concat(parts));
const staged = (segment: number): Promise<Buffer> => readFile(pathIn(stagedDir, segment));

/** Segments 1 and 2 were backed up, with one record each; the first is a baseline by now. */
const plan = {
  segments: [1, 2].map((segment) => ({ segment: segment as SegmentId, endBytes: [one, two][segment - 1]!.length, slices: [], ranges: [] })),
} as unknown as RestorePlan;

async function backedUp(): Promise<void> {
  await write(walDir, 1, one);
  await write(walDir, 2, two);
  await write(stagedDir, 2, two);
}

it('appends what has come behind the planned end, and later segments, and again only what is new', async () => {
  await backedUp();
  expect(await carryInto(plan, { walDir, stagedDir }, signal)).toBe(0);
  await appendFile(pathIn(walDir, 2), three);
  await write(walDir, 3, four);
  expect(await carryInto(plan, { walDir, stagedDir }, signal)).toBe(three.length + four.length);
  await appendFile(pathIn(walDir, 3), five);
  expect(await carryInto(plan, { walDir, stagedDir }, signal)).toBe(five.length);
  expect(await staged(2)).toEqual(Buffer.concat([two, three]));
  expect(await staged(3)).toEqual(Buffer.concat([four, five]));
});

it('writes anew what an attempt that died has left incomplete', async () => {
  await backedUp();
  await appendFile(pathIn(walDir, 2), Buffer.concat([three, four]));
  await write(walDir, 3, five);
  await write(stagedDir, 2, two, three, four.subarray(0, 30));
  await write(stagedDir, 3, five.subarray(0, 10));
  await carryInto(plan, { walDir, stagedDir }, signal);
  expect(await staged(2)).toEqual(Buffer.concat([two, three, four]));
  expect(await staged(3)).toEqual(five);
});

it('leaves out a record that is not whole yet, and refuses one that is damaged', async () => {
  await backedUp();
  await appendFile(pathIn(walDir, 2), Buffer.concat([three, four.subarray(0, 40)]));
  expect(await carryInto(plan, { walDir, stagedDir }, signal)).toBe(three.length);
  await truncate(pathIn(walDir, 2), two.length + three.length);
  const flipped = Buffer.from(four);
  flipped[40]! ^= 1;
  await appendFile(pathIn(walDir, 2), Buffer.concat([flipped, five]));
  await expect(carryInto(plan, { walDir, stagedDir }, signal)).rejects.toMatchObject({ code: 'source-damaged' });
});

it('refuses a log whose older segments have grown, for its baseline lacks that', async () => {
  await backedUp();
  await appendFile(pathIn(walDir, 1), three);
  await expect(carryInto(plan, { walDir, stagedDir }, signal)).rejects.toMatchObject({ code: 'store-incomplete' });
  expect((await stat(pathIn(stagedDir, 2))).size).toBe(two.length);
});

it.each([
  ['the last one that was backed up', 2],
  ['one behind it', 3],
])('refuses a log that lacks a segment by now: %s', async (_which, lost) => {
  await backedUp();
  await write(walDir, 3, three);
  await write(walDir, 4, four);
  await rm(pathIn(walDir, lost));
  await expect(carryInto(plan, { walDir, stagedDir }, signal)).rejects.toMatchObject({
    code: 'wal-gap',
    message: expect.stringContaining(segmentFileName(lost as SegmentId)) as string,
  });
});
