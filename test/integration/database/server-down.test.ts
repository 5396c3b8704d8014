import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';
import { type Database, openDatabase } from '../../../src/database/database.ts';
import { finishStopNote } from '../../../src/database/finish-stop-note.ts';
import { type ServerDown, withServerDown } from '../../../src/database/server-down.ts';
import { startServer, stopServer } from '../../../src/database/server-start.ts';
import type { StoppedNote } from '../../../src/formats/data-directory.ts';
import { blockServer } from '../../../src/io/data-directory/server-block.ts';
import { readStopNote, writeStopNote } from '../../../src/io/data-directory/rstow-folder.ts';
import { planStop } from '../../../src/io/data-directory/swap.ts';
import { processesWithOpenFilesUnder } from '../../../src/io/process/open-files.ts';
import { processStartTicks } from '../../../src/io/process/proc.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../support/database-stack.ts';
import { startLoadWriters } from '../../support/load-writers.ts';
import { toolPath } from '../../support/tools.ts';

const DEAD_HOLDER = { pid: 1, startTicks: 1 };

let stack: DatabaseStack;
let database: Database;

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
  const load = await startLoadWriters({ address: stack.address, writers: 1 });
  await load.stop();
  await mkdir(stack.config.agent.stateDir);
  await mkdir(join(stack.dataDir, 'snapshots'), { recursive: true });
  await writeFile(join(stack.dataDir, 'snapshots', 'one.snap'), 'a snapshot');
  database = openDatabase(stack, DATABASE);
});

afterEach(() => stack.remove());

async function downFor<Result>(whileDown: ServerDown<Result>['whileDown']): Promise<ServerDown<Result>> {
  const run = { runId: 'run-1', signal: new AbortController().signal, report: () => undefined };
  const plan = { kind: 'stopped' as const, ...(await planStop(stack.dataDir, run.runId)) };
  return { database, run, plan, isDone: () => Promise.resolve(false), askFirst: () => Promise.resolve(), whileDown };
}

/** What a run leaves that dies while it has the server down. */
async function leaveStopped(changes: Partial<StoppedNote> = {}): Promise<StoppedNote> {
  const common = { format: 1 as const, runId: 'dead-run', database: DATABASE, holder: DEAD_HOLDER, createdAtMs: 1, deadlineMs: 1 };
  const plan = await planStop(stack.dataDir, common.runId);
  const note: StoppedNote = { ...common, kind: 'stopped', phase: 'stopping', ...plan, ...changes };
  await writeStopNote(stack.dataDir, note);
  await stack.service.stop();
  await blockServer(stack.dataDir, note);
  await stopServer(database.server);
  return note;
}

async function writers(): Promise<number> {
  return (await processesWithOpenFilesUnder(stack.walDir, { writersOnly: true })).length;
}

async function expectUpAsBefore(inode: number): Promise<void> {
  await startServer(database.server);
  expect((await stat(stack.walDir)).ino).toBe(inode);
  expect(await readStopNote(stack.dataDir)).toBeUndefined();
  expect(await readdir(join(stack.dataDir, 'snapshots'))).toContain('one.snap');
  // The restart guard has looked at the log before the start.
  expect(await readdir(join(stack.dataDir, '.rstow'))).toEqual(['pins']);
}

async function walInode(): Promise<number> {
  return (await stat(stack.walDir)).ino;
}

describe('a server that is only stopped for a while', () => {
  it('is down, and can’t be started by anybody, while the work is done, and comes up on the same data', async () => {
    const inode = await walInode();
    const down = await downFor(async ({ note, shareMs }) => {
      expect(await writers()).toBe(0);
      const env = { PATH: process.env['PATH'] ?? '', ...database.server.service.program?.env };
      const [exitCode] = (await once(spawn(toolPath('rstmdb'), [], { env, stdio: 'ignore' }), 'exit')) as [number];
      return { exitCode, kind: note.kind, isNoted: await readStopNote(stack.dataDir), shareMs: shareMs(2) };
    });
    const { result, downtimeMs } = await withServerDown(down);
    expect(result).toMatchObject({ kind: 'stopped', isNoted: { kind: 'stopped', runId: 'run-1' } });
    expect(result?.exitCode).not.toBe(0);
    expect(result?.shareMs).toBeLessThanOrEqual(database.settings.maxDowntimeMs / 2);
    expect(downtimeMs).toBeGreaterThan(0);
    await expectUpAsBefore(inode);
  });

  it('comes up as well where the work fails, and the failure is told', async () => {
    const inode = await walInode();
    const down = await downFor(() => Promise.reject(new RstowError('not-enough-space', 'the copy has no room')));
    await expect(withServerDown(down)).rejects.toMatchObject({ code: 'not-enough-space' });
    await expectUpAsBefore(inode);
  });

  it('isn’t stopped where the answer to the first question is no', async () => {
    const before = (await processesWithOpenFilesUnder(stack.walDir, { writersOnly: true })).map(({ pid }) => pid);
    const down = await downFor(() => Promise.resolve());
    const askFirst = (): Promise<never> => Promise.reject(new RstowError('owner-outdated', 'another host owns it'));
    await expect(withServerDown({ ...down, askFirst })).rejects.toMatchObject({ code: 'owner-outdated' });
    expect((await processesWithOpenFilesUnder(stack.walDir, { writersOnly: true })).map(({ pid }) => pid)).toEqual(before);
    expect(await readStopNote(stack.dataDir)).toBeUndefined();
  });

  it('is started by whoever finds the note of a run that died, and a second time is no error', async () => {
    const inode = await walInode();
    await leaveStopped();
    expect(await finishStopNote(database)).toEqual({ inPlace: 'old' });
    expect(await finishStopNote(database)).toBe('no-note');
    await expectUpAsBefore(inode);
  });

  it('is left alone as long as its holder lives and has time', async () => {
    await leaveStopped({ holder: await ownProcess(), deadlineMs: Date.now() + 600_000 });
    expect(await finishStopNote(database)).toBe('held');
    expect(await writers()).toBe(0);
  });

  it('is not started on other data than it was stopped on', async () => {
    await leaveStopped();
    await rename(stack.walDir, join(stack.folder, 'taken-away'));
    await mkdir(stack.walDir);
    await expect(finishStopNote(database)).rejects.toMatchObject({ code: 'data-directory-replaced' });
    expect(await writers()).toBe(0);
    expect(await readStopNote(stack.dataDir)).toMatchObject({ kind: 'stopped' });
  });

  it('is taken over by the next run from one that died, and comes up after that', async () => {
    const inode = await walInode();
    await leaveStopped();
    const { result } = await withServerDown(await downFor(() => writers()));
    expect(result).toBe(0);
    await expectUpAsBefore(inode);
  });
});

async function ownProcess(): Promise<StoppedNote['holder']> {
  return { pid: process.pid, startTicks: (await processStartTicks(process.pid)) ?? 0 };
}
