import { once } from 'node:events';
import { cp, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/database/database.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { guardState } from '../../src/database/guard-state.ts';
import { guardPinFolder } from '../../src/io/data-directory/pins.ts';
import { writeStopNote, writeTimelineFile } from '../../src/io/data-directory/rstow-folder.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../../src/io/mutex/host-mutex.ts';
import { DATABASE } from '../support/database-stack.ts';
import { backUp, restoreInPlace } from '../support/direct-backup.ts';
import { writeCounters } from '../support/compactable-log.ts';
import { compactAway, guarded, kinds, restart, segmentsOf } from '../support/guarded-log.ts';
import { oddSource, sourceDigest } from '../support/odd-source.ts';

describe('hands off', () => {
  it('while a stop note lies there, and while somebody has the data mutex', async () => {
    const { stack, look } = await guarded();
    await look();
    const deleted = await compactAway(stack);
    const mutex = await acquireHostMutex(await dataDirectoryMutexName(stack.dataDir), { what: 'a swap', waitTimeoutMs: 0 });
    expect(await look()).toEqual([]);
    await mutex.release();
    const common = { format: 1, runId: 'run-1', database: DATABASE, phase: 'stopping', createdAtMs: Date.now() } as const;
    const note = { ...common, kind: 'stopped', wal: { inode: '1' }, asideDir: '.rstow/restores/run-1/aside' } as const;
    await writeStopNote(stack.dataDir, { ...note, holder: { pid: 1, startTicks: 1 }, deadlineMs: Date.now() + 60_000 });
    expect(await look()).toEqual([]);
    await rm(join(stack.dataDir, '.rstow', 'stop.json'));
    expect(await look()).toMatchObject([{ kind: 'log-linked-back', segments: { length: deleted } }]);
  });

  it('of data that somebody has put back by hand', async () => {
    const { stack, look } = await guarded();
    await look();
    await compactAway(stack);
    await stack.service.stop();
    await cp(stack.walDir, join(stack.folder, 'copy'), { recursive: true });
    await rm(stack.walDir, { recursive: true });
    await rename(join(stack.folder, 'copy'), stack.walDir);
    const there = await segmentsOf(stack.walDir);
    expect(await look()).toMatchObject([{ kind: 'guard-hands-off', code: 'data-directory-replaced' }]);
    await stack.startServer();
    expect(kinds(await look())).toEqual(['guard-hands-off']);
    expect(await segmentsOf(stack.walDir)).toEqual(there);
    expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'replaced' });
  });

  it('of a restored log while pins of the old timeline are there; they go once no undo needs them', async () => {
    const { stack, look } = await guarded();
    await look();
    const { label } = await backUp(stack);
    await compactAway(stack);
    await restoreInPlace(stack, label);
    const restored = await sourceDigest(stack);
    // The restore has pinned it before it started the server.
    expect(await look()).toEqual([]);
    const deleted = await compactAway(stack);
    expect(await look()).toMatchObject([{ kind: 'log-linked-back', segments: { length: deleted } }]);
    await restart(stack);
    expect(await sourceDigest(stack)).toBe(restored);
    expect((await readdir(join(stack.dataDir, '.rstow', 'pins'))).sort()).toEqual(['0001', '0002']);
    await rm(join(stack.dataDir, '.rstow', 'restores'), { recursive: true });
    expect(kinds(await look())).toContain('guard-pins-cleared');
    expect(await readdir(join(stack.dataDir, '.rstow', 'pins', '0001'))).toEqual([]);
  });

  it('where wal/ is a symbolic link', async () => {
    const { stack, look } = await guarded();
    await stack.service.stop();
    await rename(stack.walDir, join(stack.folder, 'elsewhere'));
    await symlink(join(stack.folder, 'elsewhere'), stack.walDir);
    expect(await look()).toMatchObject([{ kind: 'guard-unsupported', code: 'data-directory-unsupported' }]);
    expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'unsupported' });
  });

  it('of a log whose server answers, and can’t be seen: nobody knows what it has started from', async () => {
    const { stack, look } = await guarded();
    await look();
    await compactAway(stack);
    await stack.service.stop();
    const left = await segmentsOf(stack.walDir);
    const other = createServer().listen(Number(stack.address.split(':')[1]), '127.0.0.1');
    await once(other, 'listening');
    expect(await look()).toMatchObject([{ kind: 'guard-unsupported' }]);
    expect(await segmentsOf(stack.walDir)).toEqual(left);
    expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'unsupported' });
    other.close();
    await once(other, 'close');
    expect(kinds(await look())).toEqual(['log-linked-back']);
  });

  it('of what a server has started without, and a backup rescues all that it shows', async () => {
    const { stack, look } = await guarded();
    await look();
    await compactAway(stack);
    await restart(stack);
    await writeCounters(stack.address, { count: 8, prefix: 'since' });
    expect(kinds(await look())).toContain('restart-missed');
    const live = await sourceDigest(stack);
    const { label, restorable } = await backUp(stack);
    expect(restorable).toBe('from-baseline');
    // The rescued history goes on under another timeline, and what is known of the log goes with it.
    expect(kinds(await look())).toEqual(['restart-missed']);
    expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'on', timeline: '0002', missing: [] });
    await restoreInPlace(stack, label);
    expect(await sourceDigest(stack)).toBe(live);
    expect(await look()).toEqual([]);
    expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'on', timeline: '0003', lost: [] });
    await restart(stack);
    expect(await sourceDigest(stack)).toBe(live);
  });

  it('if what it has noted can’t be read: nobody knows then what the server has started without', async () => {
    const { stack, look } = await guarded();
    await look();
    await writeFile(join(guardPinFolder(stack.dataDir, '0001'), 'guard.json'), '{');
    await compactAway(stack);
    expect(kinds(await look())).toEqual(['restart-missed']);
  });
});

it('warns beyond its budget, once, and drops nothing', async () => {
  const stack = await oddSource({ segmentSizeMb: 0, database: { guard: { budgetBytes: 100 } } });
  await writeCounters(stack.address, { count: 8 });
  const guard = createGuard(openDatabase(stack, DATABASE));
  const looks = async (): Promise<string[]> => kinds([...(await guard.look()), ...(await guard.look())]);
  expect(await looks()).toEqual(['log-pinned']);
  await compactAway(stack);
  expect(await looks()).toEqual(['log-linked-back', 'guard-over-budget']);
  await writeCounters(stack.address, { count: 1, prefix: 'more' });
  expect(await looks()).toEqual(['log-pinned']);
});

it('waits for a wal/ that is not there yet', async () => {
  const { stack, look } = await guarded();
  await stack.service.stop();
  await rm(stack.walDir, { recursive: true });
  expect(await look()).toEqual([]);
  await mkdir(stack.walDir);
  await writeTimelineFile(stack.walDir, { format: 1, database: DATABASE, timeline: '0001', generation: 1 });
  expect(await look()).toEqual([]);
  expect(await guardState(openDatabase(stack, DATABASE))).toEqual({ kind: 'waiting' });
});
