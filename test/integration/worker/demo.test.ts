import { readdir, readFile, stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { unlessGone } from '../../../src/io/process/proc.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { spawnRstow } from '../cli/rstow-process.ts';

const DEMO_TIMEOUT_MS = 180_000;

/** Processes that have the folder in their command line or their environment. */
async function processesNaming(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const texts = await Promise.all(['cmdline', 'environ'].map((name) => unlessGone(readFile(`/proc/${pid}/${name}`, 'utf8'))));
    if (texts.some((text) => text?.includes(folder) === true)) found.push(pid);
  }
  return found;
}

function folderIn(output: string): string {
  return /data in (\/\S+)\/data$/m.exec(output)![1]!;
}

test('brings a lost database back to the digest of its backup, and ends all that it started', { timeout: DEMO_TIMEOUT_MS }, async () => {
  const demo = spawnRstow(['demo']);
  expect(await demo.exitCode, demo.stdout() + demo.stderr()).toBe(0);
  const [backup, live] = ['backup', 'live'].map((name) => new RegExp(`^ +${name}: +([0-9a-f]{64})$`, 'm').exec(demo.stdout())?.[1]);
  expect(live).toMatch(/^[0-9a-f]{64}$/);
  expect(live).toBe(backup);
  const [, here, acknowledged] = /and ([0-9,]+) of ([0-9,]+) acknowledged orders/.exec(demo.stdout())!;
  expect(Number(here!.replaceAll(',', ''))).toBeGreaterThanOrEqual(Number(acknowledged!.replaceAll(',', '')));
  const folder = folderIn(demo.stdout());
  expect(await processesNaming(folder)).toEqual([]);
  await expect(stat(folder)).rejects.toThrow('ENOENT');
});

test('ends all that it started on Ctrl-C, and leaves no folder', { timeout: DEMO_TIMEOUT_MS }, async () => {
  const demo = spawnRstow(['demo']);
  await waitUntil('the writers write', () => demo.stdout().includes('Eight writers'), DEMO_TIMEOUT_MS);
  demo.signal('SIGINT');
  expect(await demo.exitCode).toBe(130);
  const folder = folderIn(demo.stdout());
  expect(await processesNaming(folder)).toEqual([]);
  await expect(stat(folder)).rejects.toThrow('ENOENT');
});
