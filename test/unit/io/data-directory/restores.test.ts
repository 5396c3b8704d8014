import { randomUUID } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeSegmentId, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { freeBytes } from '../../../../src/io/files/free-space.ts';
import { closeStaging, restorePaths, type StagedSegment, writeStagedSegment } from '../../../../src/io/data-directory/restores.ts';
import { scratchFolder } from './scratch-folder.ts';

const segment = makeSegmentId(1) as SegmentId;
const NAME = '0000000000000001.wal';

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function staged(content: StagedSegment['content'], sizeBytes = 6): Promise<StagedSegment> {
  const { wal } = restorePaths(await scratchFolder(), 'run');
  return { walDir: wal, segment, sizeBytes, content };
}

it('writes a whole segment under its name, and nothing else', async () => {
  const wanted = await staged(() => chunks('abc', '', 'def'));
  expect(await writeStagedSegment(wanted)).toBe('written');
  expect(await readFile(join(wanted.walDir, NAME), 'utf8')).toBe('abcdef');
  expect(await readdir(wanted.walDir)).toEqual([NAME]);
});

it('keeps a segment of the right size without asking for its content', async () => {
  const wanted = await staged(() => chunks('abcdef'));
  await writeStagedSegment(wanted);
  const never = (): never => {
    throw new Error('asked for content that is there');
  };
  expect(await writeStagedSegment({ ...wanted, content: never })).toBe('kept');
});

it('writes a segment of another size anew', async () => {
  const wanted = await staged(() => chunks('abcdef'));
  await writeStagedSegment(wanted);
  expect(await writeStagedSegment({ ...wanted, sizeBytes: 3, content: () => chunks('xyz') })).toBe('written');
  expect(await readFile(join(wanted.walDir, NAME), 'utf8')).toBe('xyz');
});

it.each([
  ['too little', 'abc'],
  ['too much', 'abcdefg'],
])('gives %s content no name', async (_what, text) => {
  const wanted = await staged(() => chunks(text));
  await expect(writeStagedSegment(wanted)).rejects.toMatchObject({ code: 'damaged-object' });
  expect(await readdir(wanted.walDir)).toEqual([]);
});

it('gives content that fails at its very end no name, and begins anew over the rest of it', async () => {
  const wanted = await staged(async function* () {
    yield* chunks('abcdef');
    throw new Error('the checksum is wrong');
  });
  await expect(writeStagedSegment(wanted)).rejects.toThrow('the checksum is wrong');
  expect(await readdir(wanted.walDir)).not.toContain(NAME);
  expect(await writeStagedSegment({ ...wanted, sizeBytes: 3, content: () => chunks('abc') })).toBe('written');
  expect(await readFile(join(wanted.walDir, NAME), 'utf8')).toBe('abc');
});

it('keeps two attempts at one segment apart: neither writes into the other’s bytes', async () => {
  const wanted = await staged(() => chunks('abcdef'));
  const { promise: other, resolve } = Promise.withResolvers<undefined>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<undefined>();
  const slow = writeStagedSegment({
    ...wanted,
    content: async function* () {
      yield* chunks('abc');
      begin(undefined);
      await other;
      yield* chunks('def');
    },
  });
  await begun;
  expect(await writeStagedSegment(wanted)).toBe('written');
  resolve(undefined);
  expect(await slow).toBe('written');
  expect(await readFile(join(wanted.walDir, NAME), 'utf8')).toBe('abcdef');
  expect(await readdir(wanted.walDir)).toEqual([NAME]);
});

it('removes at its end what attempts that died have left', async () => {
  const wanted = await staged(() => chunks('abcdef'));
  await writeStagedSegment(wanted);
  await writeFile(join(wanted.walDir, `${NAME}.${randomUUID()}.partial`), 'abc');
  await closeStaging(wanted.walDir);
  expect(await readdir(wanted.walDir)).toEqual([NAME]);
});

it('stops when its signal is aborted', async () => {
  const wanted = await staged(() => chunks('abcdef'));
  await expect(writeStagedSegment({ ...wanted, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
});

it('keeps everything of rstow private to the owner', async () => {
  const dataDir = await scratchFolder();
  const { wal } = restorePaths(dataDir, 'run');
  await writeStagedSegment({ walDir: wal, segment, sizeBytes: 6, content: () => chunks('abcdef') });
  for (const folder of ['.rstow', '.rstow/restores', '.rstow/restores/run'])
    expect((await stat(join(dataDir, folder))).mode & 0o777).toBe(0o700);
});

it('tells the free bytes of a path that does not exist yet by its parent', async () => {
  const folder = await scratchFolder();
  await writeFile(join(folder, 'file'), '');
  expect(await freeBytes(join(folder, 'not', 'yet'))).toBeGreaterThan(0);
});
