import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ColdBackupResult } from '../../src/contract/cold-backup.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { readWal, requireWrite } from '../support/bounds-round.ts';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack, stackOf } from '../support/database-stack.ts';
import { backUp, backUpCold, restoreElsewhere, restoreInPlace, verifyByReplay } from '../support/direct-backup.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { oddSource, sourceDigest, writeOrders } from '../support/odd-source.ts';
import { freezeServer } from '../crash/support/server-process.ts';
import { storeIn } from '../support/store-in.ts';
import { waitUntil } from '../support/wait-until.ts';

const manifestOf = async (stack: DatabaseStack, { label = '' }: ColdBackupResult) =>
  (await storeIn(await stack.openRepository(), DATABASE)).backups.read(label);

describe('a cold backup of a server that runs', () => {
  it('has everything that was acknowledged before the stop, and starts the server again', async () => {
    const stack = await oddSource();
    const load = await startLoadWriters({ address: stack.address, writers: 4 });
    await load.acknowledgedAtLeast(2000);
    const result = await backUpCold(stack);
    await load.stop();
    expect(result).toMatchObject({ outcome: 'done', kind: 'cold', server: 'restarted', restorable: 'from-log', warnings: [] });
    expect(result.label).toMatch(/^[0-9]{8}T[0-9]{6}Z-cold$/);
    expect(result.tailBytes).toBeGreaterThan(0);
    expect(result.downtimeMs).toBeLessThan(stack.settings.maxDowntimeMs);
    const restored = join(stack.folder, 'restored');
    await restoreElsewhere(stack, result.label!, restored);
    const wal = await readWal(join(restored, 'wal'));
    const { acknowledged } = load.result;
    const first = acknowledged.filter(({ offset }) => offset < BigInt(result.extents!.end));
    expect(first.length).toBeGreaterThan(1900);
    for (const write of first) requireWrite(wal, write);
    expect((await backUp(stack)).records).toBeGreaterThan(result.records!);
  });

  it('stores nearly all of the log while the server still runs', async () => {
    const stack = await oddSource();
    await writeOrders(stack.address, 300);
    const result = await backUpCold(stack, { beforeStop: () => writeOrders(stack.address, 1, 'last') });
    expect(result.bytesPlain).toBeGreaterThan(20 * result.tailBytes!);
    expect(result.stateDigest).toBe(await sourceDigest(stack));
    await verifyByReplay(stack, await manifestOf(stack, result));
  });

  it('moves a torn list of snapshots aside, on which the server would not start', async () => {
    const stack = await oddSource();
    await writeCounters(stack.address, { count: 4 });
    await mkdir(join(stack.dataDir, 'snapshots'), { recursive: true });
    await writeFile(join(stack.dataDir, 'snapshots/index.json'), '{ "snapshots": [');
    expect(await backUpCold(stack)).toMatchObject({ outcome: 'done', server: 'restarted' });
    expect(await readdir(join(stack.dataDir, '.rstow/torn'))).toEqual([expect.stringMatching(/^index-/)]);
  });

  it('is refused, and stops nothing, if a restart would lose data', async () => {
    const stack = await oddSource({ segmentSizeMb: 0, database: { guard: { enabled: false } } });
    await writeCounters(stack.address, { count: 8 });
    await compactNow(stack);
    const before = await stack.service.processes?.();
    await expect(backUpCold(stack)).rejects.toMatchObject({ code: 'restart-unsafe', message: expect.stringContaining('lose') as string });
    expect(await stack.service.processes?.()).toEqual(before);
  });

  it('starts the server without its rest where the repository goes away with it down', async () => {
    const stack = await oddSource({ database: { maxDowntimeMs: 20_000 } });
    await writeCounters(stack.address, { count: 4 });
    const away = `${stack.repositoryDir}.away`;
    let left: Promise<void> = Promise.resolve();
    const leaveAtStop = async (): Promise<void> => {
      await writeCounters(stack.address, { count: 4, prefix: 'unstored' });
      const server = await freezeServer(stack);
      left = waitUntil('the server is being stopped', () => server.isToldToStop()).then(async () => {
        await rename(stack.repositoryDir, away);
        server.thaw();
      });
    };
    await expect(backUpCold(stack, { beforeStop: leaveAtStop })).rejects.toMatchObject({ code: 'repository-unavailable' });
    await left;
    await rename(away, stack.repositoryDir);
    expect(await sourceDigest(stack)).toBeDefined();
    expect(await backUpCold(stack)).toMatchObject({ outcome: 'done', stateDigest: await sourceDigest(stack) });
  });
});

describe('a cold backup of a server that is down', () => {
  it('leaves it down, and restores to the same state', async () => {
    const stack = await oddSource();
    await writeCounters(stack.address, { count: 20 });
    const digest = await sourceDigest(stack);
    await backUp(stack);
    await writeCounters(stack.address, { count: 1, prefix: 'later' });
    const later = await sourceDigest(stack);
    await stack.service.stop();
    const result = await backUpCold(stack);
    expect(result).toMatchObject({ outcome: 'done', kind: 'cold', server: 'left-stopped', stateDigest: later, warnings: [] });
    expect(digest).not.toBe(later);
    expect(await stack.service.isRunning()).toBe(false);
    const manifest = await manifestOf(stack, result);
    expect(manifest.attachments.map(({ name }) => name)).toContain('machines.json');
    await verifyByReplay(stack, manifest);
  });

  it('is the latest of the history that the log continues, though somebody has put back what a restore had replaced', async () => {
    const stack = await oddSource();
    await writeCounters(stack.address, { count: 3 });
    const { label } = await backUp(stack);
    await writeCounters(stack.address, { count: 2, prefix: 'replaced' });
    const { replacedAt } = await restoreInPlace(stack, label);
    const restored = await backUp(stack);
    await stack.service.stop();
    await rename(join(stack.dataDir, 'wal'), join(stack.dataDir, 'wal.restored'));
    await rename(join(replacedAt!, 'wal'), join(stack.dataDir, 'wal'));
    const result = await backUpCold(stack);
    expect(restored.timeline).not.toBe('0001');
    expect(result).toMatchObject({ timeline: '0001', server: 'left-stopped', warnings: [{ code: 'history-changed' }] });
    const { backups } = await storeIn(await stack.openRepository(), DATABASE);
    expect((await backups.find('latest')).label).toBe(result.label);
  });

  it('needs no service that rstow could stop', async () => {
    const first = await oddSource();
    await writeCounters(first.address, { count: 3 });
    const { folder, dataDir, repositoryDir, plain } = first;
    const database = { ...plain.databases[DATABASE], service: { kind: 'none' } };
    const stack = await stackOf({ ...plain, databases: { [DATABASE]: database } }, { folder, dataDir, repositoryDir });
    await backUp(stack);
    await expect(backUpCold(stack)).rejects.toMatchObject({ code: 'service-unmanaged' });
    await first.service.stop();
    expect(await backUpCold(stack)).toMatchObject({ outcome: 'done', server: 'left-stopped' });
  });
});

it('refuses a wal/ that is no folder before it looks at anything else', async () => {
  const stack = await oddSource();
  await writeCounters(stack.address, { count: 3 });
  await backUp(stack);
  await stack.service.stop();
  const elsewhere = join(stack.folder, 'elsewhere');
  await rename(stack.walDir, elsewhere);
  await symlink(elsewhere, stack.walDir);
  await expect(backUpCold(stack)).rejects.toMatchObject({ code: 'data-directory-unsupported' });
  await rm(stack.walDir);
  await rename(elsewhere, stack.walDir);
  expect((await listSegments(stack.walDir))?.length).toBeGreaterThan(0);
});
