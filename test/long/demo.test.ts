import { readdir, readFile, stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { unlessGone } from '../../src/io/process/proc.ts';
import { waitUntil } from '../support/wait-until.ts';
import { spawnDemo } from '../integration/cli/rstow-process.ts';

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
  return /everything lies in (\/\S+) and/.exec(output)![1]!;
}

async function expectNothingLeft(folder: string): Promise<void> {
  await waitUntil('nothing of the demo runs', async () => (await processesNaming(folder)).length === 0, DEMO_TIMEOUT_MS);
  await waitUntil('its folder is gone', async () => (await stat(folder).catch(() => undefined)) === undefined);
}

test('brings a lost database back though agent and Temporal are killed meanwhile', { timeout: 2 * DEMO_TIMEOUT_MS }, async () => {
  const demo = spawnDemo();
  expect(await demo.exitCode, demo.stdout() + demo.stderr()).toBe(0);
  const printed = demo.stdout();
  const [stored, server] = ['stored', 'server'].map((name) => new RegExp(`^ +${name} +([0-9a-f]{64})$`, 'm').exec(printed)?.[1]);
  expect(server).toMatch(/^[0-9a-f]{64}$/);
  expect(server).toBe(stored);
  expect(printed).toMatch(/error: damaged-object:\s+databases\/orders\/wal\/\S+\.wal\.zst is/);
  expect(printed).toMatch(/warning: 1 damaged or missing object was stored again/);
  const [, back, acknowledged] = /equal: ([0-9,]+) of ([0-9,]+) acknowledged orders are back/.exec(printed)!.map(numberOf);
  const [, lost = 0] = /([0-9,]+) orders? of the last .* are lost/.exec(printed)?.map(numberOf) ?? [];
  expect(back! + lost).toBe(acknowledged);
  expect(back).toBeGreaterThan(lost);
  expect(printed.split('\n').filter((line) => line.length > 80)).toEqual([]);
  await expectNothingLeft(folderIn(printed));
});

test.each(['SIGINT', 'SIGKILL'] as const)('leaves no server and no folder after %s', { timeout: DEMO_TIMEOUT_MS }, async (signal) => {
  const demo = spawnDemo();
  await waitUntil('the writers write', () => demo.stdout().includes('Eight writers'), DEMO_TIMEOUT_MS);
  demo.signal(signal);
  expect(await demo.exitCode).toBe(signal === 'SIGINT' ? 130 : null);
  await expectNothingLeft(folderIn(demo.stdout()));
});

function numberOf(text: string | undefined): number {
  return Number(text?.replaceAll(',', ''));
}
