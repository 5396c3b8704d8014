/**
 * What the recovery scripts of the database's own guide do, as they stand there, on real servers, and what rstow does with the same data.
 * docs/from-scripts.md names these cases.
 */
import { execFileSync } from 'node:child_process';
import { readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeWalOffset, segmentFileName, type SegmentId, walOffsetText } from '../../src/core/wal/wal-offset.ts';
import { SEGMENT_ORDERS, writeFat } from '../support/aged-log.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import { databaseState } from '../support/database-witness.ts';
import { backUp, checkNow, extentsOf, recoverElsewhere, restoreInPlace, testRecoveryNow } from '../support/direct-backup.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { oddSource, scratchFolder, startedDigest, writeOrders } from '../support/odd-source.ts';
import {
  canRunOldScripts,
  makeOldArchive,
  makeOldHost,
  type OldHost,
  restoreOldArchive,
  shownState,
  truncatedArchive,
} from '../support/old-scripts.ts';

const runTest = canRunOldScripts() ? test : test.skip;

type OldSource = { stack: DatabaseStack; host: OldHost };

async function oldSource(): Promise<OldSource> {
  const stack = await oddSource({ segmentSizeMb: 1, timing: { serverRequestMs: 10_000 } });
  return { stack, host: await makeOldHost(stack) };
}

runTest('restore.sh of a missing file deletes all data; rstow touches nothing', async () => {
  const { stack, host } = await oldSource();
  await writeOrders(stack.address, 20);
  const before = await shownState(stack);
  const { label } = await backUp(stack);
  const untouched = await databaseState(stack.dataDir);
  await expect(restoreInPlace(stack, '20200101T000000Z-hot')).rejects.toMatchObject({ code: 'backup-not-found' });
  expect(await databaseState(stack.dataDir)).toEqual(untouched);

  expect(await restoreOldArchive(host, '/backup/rstmdb/mistyped.tar.gz')).toMatchObject({ machines: 0, instances: 0 });

  await restoreInPlace(stack, label);
  expect(await shownState(stack)).toEqual(before);
});

runTest('restore.sh of a truncated archive restores a part; rstow refuses, and names another backup', async () => {
  const { stack, host } = await oldSource();
  await writeOrders(stack.address, 300);
  const sound = await backUp(stack);
  const stored = await piecesOf(stack);
  await writeOrders(stack.address, 300, 'newer');
  const before = await shownState(stack);
  const damaged = await backUp(stack);
  for (const path of (await piecesOf(stack)).filter((piece) => !stored.includes(piece))) await truncate(path, 100);
  const truncated = await truncatedArchive(await makeOldArchive(host, 'cold-backup.sh'));
  const untouched = await databaseState(stack.dataDir);
  await expect(restoreInPlace(stack, damaged.label)).rejects.toMatchObject({
    code: 'truncated-object',
    details: { alternative: sound.label },
  });
  expect(await databaseState(stack.dataDir)).toEqual(untouched);

  const { instances } = await restoreOldArchive(host, truncated);
  expect(instances).toBeGreaterThan(0);
  expect(instances).toBeLessThan(before.instances);
  expect((await checkNow(stack)).findings).toContainEqual(expect.objectContaining({ severity: 'critical', code: 'timeline-diverged' }));

  await restoreInPlace(stack, sound.label, { warned: ['replaced-data-unsaved'] });
  expect((await shownState(stack)).stateDigest).toBe(sound.stateDigest);
});

const piecesOf = async ({ repositoryDir }: DatabaseStack): Promise<string[]> =>
  (await filesBelow(repositoryDir)).filter((path) => path.endsWith('.wal.zst'));

runTest('disaster-recovery.sh mixes a truncated archive with the data in place; rstow mixes nothing', async () => {
  const { stack, host } = await oldSource();
  await writeFat(stack.address, 4 * SEGMENT_ORDERS, 'stored');
  const stored = await shownState(stack);
  await truncatedArchive(await makeOldArchive(host, 'cold-backup.sh'));
  await writeFat(stack.address, 2 * SEGMENT_ORDERS, 'newer');
  const present = await shownState(stack);
  const { label } = await backUp(stack);

  const { exitCode, stdout } = await host.run('disaster-recovery.sh');
  expect({ exitCode, last: stdout.trimEnd().split('\n').at(-1) }).toEqual({ exitCode: 0, last: 'Disaster recovery complete' });
  expect(stdout).toMatch(/^Using backup: \S+-truncated\.tar\.gz$/m);
  const mixed = await shownState(stack);
  expect(mixed.instances).toBeGreaterThan(stored.instances);
  expect(mixed.instances).toBeLessThan(present.instances);

  await restoreInPlace(stack, label, { warned: ['replaced-data-unsaved'] });
  expect(await shownState(stack)).toEqual(present);
});

runTest('pit-recovery.sh ignores its offset, and takes the log from a running server; rstow obeys it', async () => {
  const { stack, host } = await oldSource();
  await writeOrders(stack.address, 5);
  const target = await backUp(stack);
  const wanted = await shownState(stack);
  await writeOrders(stack.address, 5, 'later');
  const archived = await shownState(stack);
  const archive = await makeOldArchive(host, 'cold-backup.sh');
  await writeOrders(stack.address, 5, 'newest');
  await backUp(stack);

  const offset = walOffsetText(makeWalOffset(1 as SegmentId, extentsOf(target)[segmentFileName(1 as SegmentId)]!));
  const { exitCode, stdout } = await host.run('pit-recovery.sh', archive, offset);
  expect({ exitCode, stdout }).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(`Recovered to offset ${offset}\n`) as string,
  });
  await writeOrders(stack.address, 1, 'acknowledged');
  await host.shell('systemctl stop rstmdb && systemctl start rstmdb');
  expect(await shownState(stack)).toEqual(archived);

  const copy = join(await scratchFolder(), 'copy');
  await recoverElsewhere(stack, { target: { offset } }, copy);
  expect(await startedDigest(stack, copy)).toBe(wanted.stateDigest);
});

runTest('test-recovery.sh passes an empty archive; rstow holds a backup to what you know of your data', async () => {
  const { stack, host } = await oldSource();
  const archive = join(host.backupDir, 'nothing.tar.gz');
  execFileSync('tar', ['-czf', archive, '-C', host.workDir, '.']);
  const { exitCode, stdout } = await host.run('test-recovery.sh', archive);
  expect({ exitCode, stdout }).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^Recovered instances: \nTest recovery successful$/m) as string,
  });

  await writeOrders(stack.address, 20);
  const { stateDigest } = await backUp(stack);
  expect(await testRecoveryNow(stack)).toMatchObject({ outcome: 'done', instances: 20, stateDigest });
  const tooMany = { counts: [{ machine: 'order', min: 21 }] };
  await expect(testRecoveryNow(stack, { assertions: tooMany })).rejects.toMatchObject({ code: 'assertion-failed' });
});

runTest.each([
  ['gpg', 'encryption-gpg.sh'],
  ['age', 'encryption-age.sh'],
] as const)('the encryption lines decrypt to where no server looks: %s', async (_tool, script) => {
  const { stack, host } = await oldSource();
  await writeOrders(stack.address, 20);
  await host.shell('systemctl stop rstmdb');
  expect(await host.run(script)).toMatchObject({ exitCode: 0 });
  await host.shell('cd /var/lib/rstmdb && rm -rf wal snapshots && systemctl start rstmdb');
  expect(await shownState(stack)).toMatchObject({ machines: 0, instances: 0 });
  expect(await readdir(join(stack.dataDir, 'var/lib/rstmdb/wal'))).toEqual(['0000000000000001.wal']);
});
