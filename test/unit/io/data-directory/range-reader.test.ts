import { randomBytes } from 'node:crypto';
import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { type RangeRead, readRange, RecordWindow } from '../../../../src/io/data-directory/range-reader.ts';
import { scratchFolder } from './scratch-folder.ts';

const SIZE_BYTES = 700_001;

async function file(): Promise<{ path: string; bytes: Buffer }> {
  const path = join(await scratchFolder(), '0000000000000001.wal');
  const bytes = randomBytes(SIZE_BYTES);
  await writeFile(path, bytes);
  return { path, bytes };
}

async function collect(range: RangeRead): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readRange(range)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

it.each([
  [0, SIZE_BYTES],
  [0, 0],
  [1, 2],
  [262_143, 262_145],
  [700_000, 700_001],
])('reads bytes %i to %i exactly, by path and by handle', async (startBytes, endBytes) => {
  const { path, bytes } = await file();
  await using handle = await open(path);
  const wanted = bytes.subarray(startBytes, endBytes);
  expect((await collect({ source: { kind: 'path', path }, startBytes, endBytes })).equals(wanted)).toBe(true);
  expect((await collect({ source: { kind: 'handle', path, handle }, startBytes, endBytes })).equals(wanted)).toBe(true);
});

it('leaves a handle open for its owner', async () => {
  const { path } = await file();
  await using handle = await open(path);
  await collect({ source: { kind: 'handle', path, handle }, startBytes: 0, endBytes: 10 });
  expect((await handle.stat()).size).toBe(SIZE_BYTES);
});

it('says that the data directory was replaced where a file is shorter than it was', async () => {
  const { path } = await file();
  await truncate(path, 300_000);
  const reading = collect({ source: { kind: 'path', path }, startBytes: 0, endBytes: SIZE_BYTES });
  await expect(reading).rejects.toMatchObject({ code: 'data-directory-replaced', details: { positionBytes: 300_000 } });
});

it('says that the data directory was replaced where a file is gone', async () => {
  const path = join(await scratchFolder(), 'gone');
  await expect(collect({ source: { kind: 'path', path }, startBytes: 0, endBytes: 1 })).rejects.toMatchObject({
    code: 'data-directory-replaced',
  });
});

it.runIf(process.platform === 'linux')('calls bytes that the system can’t read damage of the source', async () => {
  // The first page of a process's memory is never mapped: reading it is a real EIO.
  const reading = collect({ source: { kind: 'path', path: '/proc/self/mem' }, startBytes: 0, endBytes: 10 });
  await expect(reading).rejects.toMatchObject({ code: 'source-damaged' });
});

it('stops at once when its signal is aborted', async () => {
  const { path } = await file();
  const controller = new AbortController();
  const chunks = readRange({ source: { kind: 'path', path }, startBytes: 0, endBytes: SIZE_BYTES, signal: controller.signal });
  await chunks.next();
  controller.abort(new Error('enough'));
  await expect(chunks.next()).rejects.toThrow('enough');
});

it('says in words that a file is gone in which it looks for a record', async () => {
  const window = new RecordWindow(() => '/nonexistent/0000000000000001.wal');
  const record = { segment: makeSegmentId(1)!, startBytes: 0, endBytes: 40 };
  await expect(window.payload(record)).rejects.toMatchObject({ code: 'data-directory-replaced' });
  await window.close();
});
