import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logFileTail, outputTail } from '../../../../src/io/service/process-files.ts';

const lines = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`).join('\n');

test('a tail has the last ten lines, no colours and no empty end', () => {
  expect(outputTail(`${lines(12)}\n\n`)).toBe(lines(12).split('\n').slice(2).join('\n'));
  expect(outputTail('\u001b[32m INFO\u001b[0m started\n')).toBe('INFO started');
  expect(outputTail('')).toBe('');
});

test('the tail of a long log file is its end, of a missing one nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-tail-'));
  try {
    const logFile = join(folder, 'log');
    expect(await logFileTail(logFile)).toBe('');
    await writeFile(logFile, `${lines(20_000)}\n`);
    expect((await logFileTail(logFile)).split('\n')).toEqual(lines(20_000).split('\n').slice(-10));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
