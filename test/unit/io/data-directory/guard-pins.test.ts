import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { readGuardFile, writeGuardFile } from '../../../../src/io/data-directory/guard-pins.ts';

it('keeps what it knows of a hundred thousand segments, small, as it was', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-guard-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const linked = Array.from({ length: 100_000 }, (_, index) => (index + 1) as SegmentId);
  const lost = [1, 2, 3, 7, 9, 10] as SegmentId[];
  const server = { pid: 7, startTicks: 8, bootId: 'boot' };
  const content = { format: 1 as const, server, bootedAtMs: 1.5, lost, lostSinceMs: 2, linked, unsupported: null };
  expect(await readGuardFile(folder)).toBeUndefined();
  await writeGuardFile(folder, content);
  expect(await readGuardFile(folder)).toEqual(content);
  const path = join(folder, 'guard.json');
  expect((await stat(path)).size).toBeLessThan(1_000);
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
    lost: [
      ['0000000000000001', '0000000000000003'],
      ['0000000000000007', '0000000000000007'],
      ['0000000000000009', '000000000000000a'],
    ],
  });
});
