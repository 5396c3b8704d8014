import { appendFile, link, mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareStart, type StartNote } from '../../src/database/before-start.ts';
import { openDatabase } from '../../src/database/database.ts';
import { finishStopNote } from '../../src/database/finish-stop-note.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { blockServer } from '../../src/io/data-directory/server-block.ts';
import { guardPinFolder } from '../../src/io/data-directory/pins.ts';
import { writeStopNote } from '../../src/io/data-directory/rstow-folder.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../../src/io/mutex/host-mutex.ts';
import { processStartTicks } from '../../src/io/process/proc.ts';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { oddSource, sourceDigest } from '../support/odd-source.ts';

/** A server with segments of one record each, pinned by the guard, and then down. */
async function stopped(): Promise<{ stack: DatabaseStack; before: string; prepare: () => Promise<StartNote[]> }> {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeCounters(stack.address, { count: 8 });
  const database = openDatabase(stack, DATABASE);
  await createGuard(database).look();
  const before = await sourceDigest(stack);
  return { stack, before, prepare: () => prepareStart(database) };
}

const whats = (notes: StartNote[]): string[] => notes.map(({ what }) => what);

const newestOf = async ({ walDir }: DatabaseStack): Promise<string> => (await listSegments(walDir))?.at(-1)?.path ?? '';

async function noteOf(stack: DatabaseStack, holder: { pid: number; startTicks: number }, phase: 'stopping' | 'starting'): Promise<void> {
  const wal = { inode: (await stat(stack.walDir, { bigint: true })).ino.toString() };
  const [createdAtMs, deadlineMs] = [Date.now(), Date.now() + 60_000];
  const common = { format: 1, runId: 'run-1', database: DATABASE, phase, createdAtMs, deadlineMs, holder } as const;
  const note = { ...common, kind: 'stopped', wal, asideDir: '.rstow/restores/run-1/aside' } as const;
  await writeStopNote(stack.dataDir, note);
  if (phase === 'stopping') await blockServer(stack.dataDir, note);
}

describe('before a start', () => {
  it('links back what compaction has deleted, though no guard has run since, and is quiet the second time', async () => {
    const { stack, before, prepare } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    expect(whats(await prepare())).toEqual(['linked back']);
    expect(await prepare()).toEqual([]);
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('links nothing back if the log shows that a server nobody saw had started without it', async () => {
    const { stack, prepare } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    await stack.startServer();
    // It lacks them, so it creates them once more.
    await writeCounters(stack.address, { count: 8 });
    const after = await sourceDigest(stack);
    await stack.service.stop();
    const soon = new Date(Date.now() + 10_000);
    await utimes(await newestOf(stack), soon, soon);
    expect(whats(await prepare())).toEqual(['lost']);
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(after);
  });

  it('refuses while a server runs, and touches nothing', async () => {
    const { stack, prepare } = await stopped();
    await compactNow(stack);
    const names = await readdir(stack.walDir);
    await expect(prepare()).rejects.toMatchObject({ code: 'busy' });
    expect(await readdir(stack.walDir)).toEqual(names);
  });

  it.each([1, 9, 23, 24, 60])(
    'cuts a record of which %i bytes are there, keeps them, and two starts have all that was acknowledged',
    async (bytes) => {
      const { stack, before, prepare } = await stopped();
      await stack.service.stop();
      const newest = await newestOf(stack);
      const { size } = await stat(newest);
      const record = (await readFile(newest)).subarray(0, bytes);
      await appendFile(newest, record);
      expect(whats(await prepare())).toEqual(['cut']);
      expect((await stat(newest)).size).toBe(size);
      const [kept = ''] = await readdir(join(stack.dataDir, '.rstow', 'torn'));
      expect(await readFile(join(stack.dataDir, '.rstow', 'torn', kept))).toEqual(record);
      for (let start = 1; start <= 2; start += 1) {
        await stack.startServer();
        expect(await sourceDigest(stack)).toBe(before);
        await stack.service.stop();
        expect(await prepare()).toEqual([]);
      }
    },
  );

  it('cuts zeros, behind which a server would lose all that it writes', async () => {
    const { stack, before, prepare } = await stopped();
    await stack.service.stop();
    const newest = await newestOf(stack);
    const { size } = await stat(newest);
    await truncate(newest, size + 4096);
    expect(whats(await prepare())).toEqual(['cut']);
    expect((await stat(newest)).size).toBe(size);
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('refuses a log with records behind damage, which a start would lose', async () => {
    const { stack, prepare } = await stopped();
    await stack.service.stop();
    const newest = await newestOf(stack);
    const record = await readFile(newest);
    await appendFile(newest, Buffer.concat([record.subarray(0, 30), record]));
    await expect(prepare()).rejects.toMatchObject({ code: 'source-damaged' });
    expect((await stat(newest)).size).toBe(2 * record.length + 30);
  });

  it.each(['', '{\n  "counter-1": {\n    "snapshot_id": "snap-', '{\n  "counter-1": {\n    "wal_offset": 1\n  }'])(
    'moves a torn list of snapshots aside, on which no server starts: %j',
    async (text) => {
      const { stack, before, prepare } = await stopped();
      await compactNow(stack);
      await stack.service.stop();
      const index = join(stack.dataDir, 'snapshots', 'index.json');
      const whole = await readFile(index, 'utf8');
      expect(whats(await prepare())).toEqual(['linked back']);
      expect(await readFile(index, 'utf8')).toBe(whole);
      await writeFile(index, text);
      expect(whats(await prepare())).toEqual(['moved aside']);
      await stack.startServer();
      expect(await sourceDigest(stack)).toBe(before);
    },
  );

  it('finishes the stop note of a run that is gone', async () => {
    const { stack, before, prepare } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    await noteOf(stack, { pid: 1, startTicks: 1 }, 'stopping');
    expect(whats(await prepare())).toEqual(['stop note finished', 'linked back']);
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('refuses while a run has stopped the server, until it starts it itself', async () => {
    const { stack, before, prepare } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    const holder = { pid: process.pid, startTicks: (await processStartTicks(process.pid)) ?? 0 };
    await noteOf(stack, holder, 'starting');
    expect(whats(await prepare())).toEqual(['linked back']);
    await noteOf(stack, holder, 'stopping');
    await expect(prepare()).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('run-1') as string });
    await noteOf(stack, { pid: 1, startTicks: 1 }, 'stopping');
    await prepare();
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('waits for nobody who holds the data, and waits itself for this very start', async () => {
    const { stack, before, prepare } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    const mutex = await acquireHostMutex(await dataDirectoryMutexName(stack.dataDir), { what: 'a recovery', waitTimeoutMs: 0 });
    const beganAtMs = performance.now();
    expect(whats(await prepare())).toEqual(['linked back']);
    expect(performance.now() - beganAtMs).toBeLessThan(5_000);
    await mutex.release();
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('is what rstow does itself before it starts a server again that a dead run has stopped', async () => {
    const { stack, before } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    await noteOf(stack, { pid: 1, startTicks: 1 }, 'stopping');
    expect(await finishStopNote(openDatabase(stack, DATABASE))).toEqual({ inPlace: 'old' });
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('moves the pins of a log that continues as another timeline, and what was noted with them', async () => {
    const { stack, before, prepare } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    await writeFile(
      join(stack.walDir, 'rstow-timeline.json'),
      JSON.stringify({ format: 1, database: DATABASE, timeline: '0002', generation: 1 }),
    );
    expect(whats(await prepare())).toEqual(['linked back']);
    expect(await readdir(join(stack.dataDir, '.rstow', 'pins', '0001'))).toEqual([]);
    expect(await readdir(guardPinFolder(stack.dataDir, '0002'))).toContain('guard.json');
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('does nothing to an empty directory, and none to a guard that is off', async () => {
    const { stack } = await stopped();
    await compactNow(stack);
    await stack.service.stop();
    const names = await readdir(stack.walDir);
    const off = openDatabase(stack, DATABASE);
    const settings = { ...off.settings, guard: { ...off.settings.guard, enabled: false } };
    expect(await prepareStart({ ...off, settings })).toEqual([]);
    expect(await readdir(stack.walDir)).toEqual(names);
    await rm(stack.walDir, { recursive: true });
    expect(await prepareStart(off)).toEqual([]);
    await mkdir(stack.walDir);
    await link(join(guardPinFolder(stack.dataDir, '0001'), '0000000000000009.wal'), join(stack.walDir, '0000000000000009.wal'));
    expect(whats(await prepareStart(off))).toEqual(['linked back']);
    // A new server makes it.
    await rm(stack.dataDir, { recursive: true });
    expect(await prepareStart(off)).toEqual([]);
  });
});
