import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Owner } from '../../../../src/formats/repository/history.ts';
import { installationId } from '../../../../src/io/agent-state/installation.ts';
import { createSeenOwners } from '../../../../src/io/agent-state/seen.ts';
import { makeScratch, removeScratch } from '../../../../src/io/agent-state/run-files.ts';

async function stateFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rstow-agent-state-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

it('makes one installation id, also for ten that ask at once, and keeps it', async () => {
  const stateDir = await stateFolder();
  const ids = await Promise.all(Array.from({ length: 10 }, () => installationId(stateDir)));
  expect(new Set(ids).size).toBe(1);
  expect(await installationId(stateDir)).toBe(ids[0]);
});

it('refuses an installation id that is none, rather than become another installation', async () => {
  const stateDir = await stateFolder();
  await writeFile(join(stateDir, 'installation-id'), 'db1\n');
  await expect(installationId(stateDir)).rejects.toMatchObject({ code: 'agent-state-unsupported' });
});

it('keeps a run’s scratch between attempts, and removes that run’s alone', async () => {
  const stateDir = await stateFolder();
  const path = await makeScratch(stateDir, 'one');
  await writeFile(join(path, 'segment'), 'x');
  await makeScratch(stateDir, 'two');
  expect(await readdir(await makeScratch(stateDir, 'one'))).toEqual(['segment']);
  await removeScratch(stateDir, 'one');
  await removeScratch(stateDir, 'one');
  expect(await readdir(join(stateDir, 'scratch'))).toEqual(['two']);
  await expect(makeScratch(stateDir, '../out')).rejects.toThrow(/broken promise/);
});

describe('the owners that an installation has seen', () => {
  const owner: Owner = {
    format: 1,
    generation: 2,
    agent: 'db2',
    installationId: 'an id',
    temporal: { clusterId: 'cluster', namespace: 'default' },
    timeline: '0002',
    claimedAtMs: 1,
  };

  it('are kept over a restart, the latest of each database', async () => {
    const stateDir = await stateFolder();
    const seen = createSeenOwners(stateDir);
    expect(await seen.recall('orders')).toBeUndefined();
    await seen.remember('orders', { ...owner, generation: 1 });
    await seen.remember('orders', owner);
    await seen.remember('billing', { ...owner, agent: 'db3' });
    const restarted = createSeenOwners(stateDir);
    expect([await restarted.recall('orders'), await restarted.recall('billing')]).toEqual([owner, { ...owner, agent: 'db3' }]);
  });

  it('are none where the file is damaged, and outlive a state directory that can’t be written in memory', async () => {
    const stateDir = await stateFolder();
    await mkdir(join(stateDir, 'orders'));
    await writeFile(join(stateDir, 'orders', 'seen-owner.json'), '{"format":1,');
    await writeFile(join(stateDir, 'billing'), 'a file where its folder should be');
    const seen = createSeenOwners(stateDir);
    expect(await seen.recall('orders')).toBeUndefined();
    await seen.remember('billing', owner);
    expect(await seen.recall('billing')).toEqual(owner);
  });
});
