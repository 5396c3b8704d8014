import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { processesWithOpenFilesUnder } from '../../../../src/io/process/open-files.ts';
import {
  isSameProcessAlive,
  parseProcessEntry,
  processEntry,
  processesWithEnvironment,
  processStartTicks,
} from '../../../../src/io/process/proc.ts';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function start(command: string, parameters: string[], env: Record<string, string> = {}): number {
  const child = spawn(command, parameters, { stdio: 'ignore', env: { ...process.env, ...env } });
  children.push(child);
  return child.pid ?? 0;
}

test('reads a name that holds blanks and parentheses', () => {
  const numbers = Array.from({ length: 40 }, (_, index) => String(index + 4));
  expect(parseProcessEntry(`77 (a) R 1 (b c) S ${numbers.join(' ')}\n`)).toEqual({
    pid: 77,
    startTicks: 22,
    command: 'a) R 1 (b c',
    parentPid: 4,
    processGroup: 5,
    isAlive: true,
  });
});

test('knows this process, and no process 0', async () => {
  const startTicks = (await processStartTicks(process.pid)) ?? 0;
  expect(startTicks).toBeGreaterThan(0);
  expect(await isSameProcessAlive({ pid: process.pid, startTicks })).toBe(true);
  expect(await isSameProcessAlive({ pid: process.pid, startTicks: startTicks + 1 })).toBe(false);
  expect(await processStartTicks(0)).toBeUndefined();
});

test('counts a zombie as dead', async () => {
  // The shell becomes a `sleep` that never asks after the child which the shell started.
  const script = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(script);
  const [line] = (await once(script.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  const zombie = await vi.waitFor(
    async () => {
      const entry = await processEntry(pid);
      expect(entry).toMatchObject({ isAlive: false });
      return entry;
    },
    { timeout: 10_000 },
  );
  expect(await isSameProcessAlive({ pid, startTicks: zombie?.startTicks ?? 0 })).toBe(false);
});

test('finds processes by a whole entry of their environment', async () => {
  const value = crypto.randomUUID();
  const pid = start('sleep', ['60'], { RSTOW_TEST: value });
  await vi.waitFor(async () => expect((await processesWithEnvironment('RSTOW_TEST', value)).map((entry) => entry.pid)).toEqual([pid]), {
    timeout: 10_000,
  });
  expect(await processesWithEnvironment('RSTOW_TEST', value.slice(0, -1))).toEqual([]);
});

test('finds who has a file below a folder open, also after its deletion, and ignores one process', async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'rstow-proc-')));
  try {
    await writeFile(join(folder, 'file'), 'x');
    const pid = start('tail', ['-f', join(folder, 'file')]);
    const holders = async (directory: string) => (await processesWithOpenFilesUnder(directory)).map((entry) => entry.pid);
    await vi.waitFor(async () => expect(await holders(folder)).toEqual([pid]), { timeout: 10_000 });
    expect(await holders(join(folder, 'fil'))).toEqual([]);
    expect(await processesWithOpenFilesUnder(folder, { ignorePid: pid })).toEqual([]);
    await rm(join(folder, 'file'));
    expect(await holders(folder)).toEqual([pid]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
