import { appendFile, mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { boundLog } from '../../../../src/io/service/process-files.ts';

let folder: string;
let log: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-log-'));
  log = join(folder, 'service.log');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('a log that has grown begins anew, for the process that holds it open too, and what it held is kept once', async () => {
  const server = await open(log, 'a');
  try {
    for (const round of ['first', 'second']) {
      await server.appendFile(`${round} ${'x'.repeat(100)}\n`);
      await boundLog(log, 100);
      await server.appendFile('next\n');
      expect(await readFile(log, 'utf8')).toBe('next\n');
      expect(await readFile(`${log}.1`, 'utf8')).toMatch(new RegExp(`${round} x+\n$`));
    }
    expect((await readdir(folder)).sort()).toEqual(['service.log', 'service.log.1']);
  } finally {
    await server.close();
  }
});

test('a log within its bound is left alone, and so is one that is missing', async () => {
  await boundLog(log, 100);
  await appendFile(log, 'short\n');
  await boundLog(log, 100);
  expect(await readdir(folder)).toEqual(['service.log']);
  expect((await stat(log)).size).toBe(6);
});
