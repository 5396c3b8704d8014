import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ArchivedSegments, readSegments, requireWhole } from '../../../../src/activities/import/archived-segments.ts';
import { encodeRecord, recordTypes } from '../../../../src/core/wal/record.ts';
import { type SegmentId, segmentFileName } from '../../../../src/core/wal/wal-offset.ts';
import { crc32c } from '../../../../src/io/checksum/checksum.ts';

let walDir: string;

beforeEach(async () => {
  walDir = await mkdtemp(join(tmpdir(), 'rstow-archived-'));
});
afterEach(() => rm(walDir, { recursive: true, force: true }));

const record = (sequence: number): Uint8Array =>
  encodeRecord({ type: recordTypes.checkpoint, sequence, payload: Buffer.from('{"type":"checkpoint"}') }, crc32c);

/** Segments with records of these numbers, from the first segment on. */
async function segments(...numbers: number[][]): Promise<void> {
  for (const [index, own] of numbers.entries()) await writeFile(pathOf(index + 1), Buffer.concat(own.map(record)));
}

const pathOf = (segment: number): string => join(walDir, segmentFileName(segment as SegmentId));

const progress = { doing: () => undefined, add: () => undefined };
const read = (): Promise<ArchivedSegments> => readSegments({ path: 'A', walDir, signal: new AbortController().signal, progress });
const extentsOf = (...ids: number[]) => ids.map((segment) => ({ segment: segment as SegmentId, endBytes: 1 }));

it('gives the same hash for the same whole records, whatever tail stood behind them', async () => {
  await segments([1, 2], [3]);
  const whole = await read();
  expect(whole).toMatchObject({ records: 3, warnings: [] });
  await writeFile(pathOf(2), Buffer.concat([record(3), record(4).subarray(0, 20)]));
  const torn = await read();
  expect(torn.logSha256).toBe(whole.logSha256);
  const message =
    '0000000000000002.wal ended with 20 bytes of an incomplete record, as where a script copies what a server is writing; they were cut';
  expect(torn.warnings).toEqual([{ code: 'torn-tail', message }]);
  expect((await readFile(pathOf(2))).length).toBe(record(3).length);
  await segments([1, 2], [3, 4]);
  expect((await read()).logSha256).not.toBe(whole.logSha256);
});

it('calls a log damaged if a record in its middle is, and names the place', async () => {
  const bytes = Buffer.concat([record(1), record(2), record(3)]);
  bytes[record(1).length + 30] = 0x58;
  await writeFile(pathOf(1), bytes);
  await expect(read()).rejects.toMatchObject({
    code: 'archive-damaged',
    message: expect.stringContaining(`in A, 0000000000000001.wal has at byte ${record(1).length} no valid record`) as string,
  });
});

it('says that the numbers jump between two segments, and not that concurrent writers stored some out of order', async () => {
  await segments([1, 2, 4], [3, 6, 5]);
  expect((await read()).warnings).toEqual([]);
  await segments([1, 2], [7, 8]);
  expect((await read()).warnings).toMatchObject([
    { code: 'records-missing', message: expect.stringContaining('from 2 in 0000000000000001.wal to 7 in 0000000000000002.wal') as string },
  ]);
});

it('calls a log without a record empty', async () => {
  await segments([]);
  await expect(read()).rejects.toMatchObject({ code: 'archive-empty', message: 'the log in A has no record' });
});

it('names what a hollow log lacks, and blames a COMPACT for its beginning alone', () => {
  const hollow = (...ids: number[]): (() => void) => {
    return () => requireWhole('A', extentsOf(...ids), undefined);
  };
  expect(hollow(4, 5)).toThrow(
    /^A lacks segments 1 to 3 of the log, which a COMPACT has deleted, .*: a server that starts from it lacks every/,
  );
  expect(hollow(1, 3)).toThrow(/^A lacks segment 2 of the log: a server/);
  expect(hollow(1, 2)).not.toThrow();
  expect(() => requireWhole('A', extentsOf(4, 5), 4 as SegmentId)).not.toThrow();
});
