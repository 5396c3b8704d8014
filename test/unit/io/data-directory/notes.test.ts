import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { SwapNote } from '../../../../src/formats/data-directory.ts';
import {
  readStopNote,
  readTimelineFile,
  removeStopNote,
  writeStopNote,
  writeTimelineFile,
} from '../../../../src/io/data-directory/rstow-folder.ts';
import { scratchFolder } from './scratch-folder.ts';

const note: SwapNote = {
  format: 1,
  kind: 'swap',
  runId: 'run',
  database: 'orders',
  phase: 'stopping',
  oldWal: { inode: '18446744073709551615' },
  newWal: { inode: '12' },
  stagedWal: '.rstow/restores/run/wal',
  replacedDir: '.rstow/restores/run/replaced',
  deadlineMs: 2,
  holder: { pid: 1, startTicks: 0 },
  createdAtMs: 1,
};

it('reads the stop note that was written last, and none after it was removed', async () => {
  const dataDir = await scratchFolder();
  expect(await readStopNote(dataDir)).toBeUndefined();
  await writeStopNote(dataDir, note);
  await writeStopNote(dataDir, { ...note, phase: 'swapping', oldWal: null });
  expect(await readStopNote(dataDir)).toEqual({ ...note, phase: 'swapping', oldWal: null });
  expect((await stat(join(dataDir, '.rstow', 'stop.json'))).mode & 0o777).toBe(0o600);
  await removeStopNote(dataDir);
  await removeStopNote(dataDir);
  expect(await readStopNote(dataDir)).toBeUndefined();
});

it('removes no stop note where rstow never was', async () => {
  const dataDir = await scratchFolder();
  await removeStopNote(dataDir);
  expect(await readdir(dataDir)).toEqual([]);
});

it('reads the stop note of a version that knows more', async () => {
  const dataDir = await scratchFolder();
  await mkdir(join(dataDir, '.rstow'));
  const text = JSON.stringify({ ...note, more: true, holder: { ...note.holder, bootId: 'b' } });
  await writeFile(join(dataDir, '.rstow', 'stop.json'), text);
  expect(await readStopNote(dataDir)).toEqual(note);
});

it.each([
  ['torn JSON', '{"format":1,'],
  ['a newer format', JSON.stringify({ ...note, format: 2 })],
  ['a kind that it doesn’t know', JSON.stringify({ ...note, kind: 'rebase' })],
  ['no kind', JSON.stringify({ ...note, kind: undefined })],
  ['a staged wal/ outside of .rstow', JSON.stringify({ ...note, stagedWal: '.rstow/restores/../../wal' })],
  ['a replaced folder that is absolute', JSON.stringify({ ...note, replacedDir: '/.rstow/restores/run/replaced' })],
  ['a staged wal/ two folders up', JSON.stringify({ ...note, stagedWal: '.rstow/restores/run/../wal' })],
])('refuses a stop note with %s', async (_what, text) => {
  const dataDir = await scratchFolder();
  await mkdir(join(dataDir, '.rstow'));
  await writeFile(join(dataDir, '.rstow', 'stop.json'), text);
  await expect(readStopNote(dataDir)).rejects.toMatchObject({ code: 'format-unsupported' });
});

it.each([
  [{ format: 2 }, 'is a stop note of format 2, and this version of rstow knows format 1'],
  [{ kind: 'rebase' }, 'is a stop note of kind "rebase", and this version of rstow knows swap and stopped'],
  [{ phase: 'resting' }, 'is not a stop note that this version of rstow can read'],
])('says in words why it refuses a stop note with %j', async (changes, why) => {
  const dataDir = await scratchFolder();
  await mkdir(join(dataDir, '.rstow'));
  const path = join(dataDir, '.rstow', 'stop.json');
  await writeFile(path, JSON.stringify({ ...note, ...changes }));
  await expect(readStopNote(dataDir)).rejects.toThrow(`${path} ${why}`);
});

it('reads back which timeline a wal/ holds', async () => {
  const walDir = await scratchFolder();
  expect(await readTimelineFile(walDir)).toBeUndefined();
  const file = { format: 1 as const, database: 'orders', timeline: '0002', generation: 3, fork: { from: '0001', runId: 'run' } };
  await writeTimelineFile(walDir, file);
  await writeTimelineFile(walDir, file);
  expect(await readTimelineFile(walDir)).toEqual(file);
  expect(await readdir(walDir)).toEqual(['rstow-timeline.json']);
});

it.each(['', '{}', '{"format":1,"database":"orders","timeline":"1","generation":1}', 'x'.repeat(100_000)])(
  'calls a timeline file that says nothing a diverged timeline (%#)',
  async (text) => {
    const walDir = await scratchFolder();
    await writeFile(join(walDir, 'rstow-timeline.json'), text);
    await expect(readTimelineFile(walDir)).rejects.toMatchObject({ code: 'timeline-diverged' });
  },
);
