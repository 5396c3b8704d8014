/**
 * What the backup scripts of the database's own guide make, as they stand there, on real servers, and what rstow makes of the same data.
 * docs/from-scripts.md names these cases.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { listMachines } from '../../src/io/rstmdb/server.ts';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import { backUp, checkNow, restoreElsewhere, restoreInPlace, verifyByReplay } from '../support/direct-backup.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { segmentNames } from '../support/lost-log.ts';
import { oddSource, scratchFolder, startedDigest, withClient, writeLarge, writeOrders } from '../support/odd-source.ts';
import { waitUntil } from '../support/wait-until.ts';
import {
  canRunOldScripts,
  createdBy,
  makeOldArchive,
  makeOldHost,
  type OldHost,
  restoreOldArchive,
  shownState,
} from '../support/old-scripts.ts';

const CRONTAB = fileURLToPath(new URL('../fixtures/old-scripts/rstmdb-backup.cron', import.meta.url));
const MONTH_AGO_MS = Date.now() - 32 * 24 * 3_600_000;
const SOURCE = { segmentSizeMb: 1, timing: { serverRequestMs: 10_000 } };

const runTest = canRunOldScripts() ? test : test.skip;

type OldSource = { stack: DatabaseStack; host: OldHost };

async function oldSource(): Promise<OldSource> {
  const stack = await oddSource(SOURCE);
  return { stack, host: await makeOldHost(stack) };
}

/** The digest of what a server shows on the restored files of a backup. */
async function restoredDigest(stack: DatabaseStack, label: string): Promise<string> {
  const copy = join(await scratchFolder(), 'copy');
  await restoreElsewhere(stack, label, copy);
  return startedDigest(stack, copy);
}

runTest('hot-backup.sh takes the first segments from archive and source; rstow brings all back', async () => {
  const { stack, host } = await oldSource();
  await withClient(stack.address, writeLarge);
  await writeOrders(stack.address, 20);
  const before = await shownState(stack);
  const segments = await segmentNames(stack.walDir);
  expect({ before, segments: segments.length }).toMatchObject({ before: { machines: 1, instances: 26 }, segments: 6 });
  const { label } = await backUp(stack);
  expect(await segmentNames(stack.walDir)).toEqual(segments);
  expect(await restoredDigest(stack, label)).toBe(before.stateDigest);

  const hollow = await makeOldArchive(host, 'hot-backup.sh');
  expect(await segmentNames(stack.walDir)).toEqual(segments.slice(3));
  expect((await checkNow(stack)).findings[0]).toMatchObject({ code: 'restart-loses', figures: { instancesLost: 6, machinesLost: 1 } });
  const after = await backUp(stack);

  expect(await restoreOldArchive(host, hollow)).toMatchObject({ machines: 0, instances: 20 });
  await restoreInPlace(stack, after.label);
  expect(await shownState(stack)).toEqual(before);
});

runTest('hot-backup.sh is whole while the log is one segment, and verify-backup.sh calls that an error', async () => {
  const { stack, host } = await oldSource();
  await writeOrders(stack.address, 20);
  const before = await shownState(stack);
  const good = await makeOldArchive(host, 'hot-backup.sh');
  const verdict = await host.run('verify-backup.sh', good);
  expect(verdict).toMatchObject({ exitCode: 1, stdout: 'ERROR: Missing wal directory\n' });
  // All of the archive stays behind, each time.
  expect(await readdir(host.tempDir)).toHaveLength(1);

  const metadata = execFileSync('tar', ['-xzOf', good, '--wildcards', '*/backup.json'], { encoding: 'utf8' });
  expect(() => JSON.parse(metadata) as unknown).toThrow(SyntaxError);
  expect(await restoreOldArchive(host, good)).toEqual(before);

  const manifest = await backUp(stack);
  expect(await verifyByReplay(stack, manifest)).toMatchObject({ stateDigest: before.stateDigest });
});

runTest('each backup script says "Backup created" of a full disk', async () => {
  const { stack, host } = await oldSource();
  await writeOrders(stack.address, 200);
  for (const script of ['hot-backup.sh', 'cold-backup.sh', 'lvm-snapshot-backup.sh'] as const) {
    const { exitCode, stdout, stderr } = await host.runOnDisk(script, 4);
    expect({ script, exitCode }).toEqual({ script, exitCode: 0 });
    expect(stdout).toMatch(/^Backup created: /m);
    expect(stderr).toMatch('No space left on device');
  }
});

runTest('cold-backup.sh during a COMPACT: no server starts on the data, nor on the archive', async () => {
  const { stack, host } = await oldSource();
  await writeCounters(stack.address, { count: 2500 });
  const before = await shownState(stack);
  const { label } = await backUp(stack);
  const archive = await untilTorn({ stack, host });

  await expectNoStart({ stack, host });
  expect(await host.run('restore.sh', archive)).toMatchObject({ exitCode: 0 });
  await expectNoStart({ stack, host });

  await restoreInPlace(stack, label);
  expect(await shownState(stack)).toEqual(before);
});

/** Whether SIGTERM meets the server while it writes index.json is chance: about four in ten. */
async function untilTorn({ stack, host }: OldSource): Promise<string> {
  for (let round = 0; round < 20; round += 1) {
    await serverAnswers(stack);
    const compacting = compactNow(stack).catch(() => undefined);
    const archive = await createdBy(host, 'cold-backup.sh');
    await compacting;
    const index = await readFile(join(stack.dataDir, 'snapshots', 'index.json'), 'utf8');
    if (!isJson(index)) return archive;
  }
  throw new Error('no index.json was torn');
}

/** The script before has started it without waiting for it. */
async function serverAnswers({ address }: DatabaseStack): Promise<void> {
  await waitUntil('the server answers', () =>
    withClient(address, listMachines).then(
      () => true,
      () => false,
    ),
  );
}

/** It was started, and has ended with what it says of index.json. */
async function expectNoStart({ stack, host }: OldSource): Promise<void> {
  await waitUntil(
    'the server has ended',
    async () => !(await stack.service.isRunning()) && /EOF while parsing/.test(await readFile(host.serverLog, 'utf8')),
  );
  await truncate(host.serverLog);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

runTest('the clean-up of the crontab deletes the last archive there is, and nothing of rstow’s', async () => {
  const stack = await oddSource(SOURCE);
  const host = await makeOldHost(stack, { backupDir: stack.repositoryDir });
  await writeOrders(stack.address, 20);
  const before = await shownState(stack);
  const archive = await makeOldArchive(host, 'cold-backup.sh');
  const { label } = await backUp(stack, { startedAtMs: MONTH_AGO_MS });
  for (const path of await filesBelow(stack.repositoryDir)) await utimes(path, MONTH_AGO_MS / 1000, MONTH_AGO_MS / 1000);
  const stored = (await filesBelow(stack.repositoryDir)).filter((path) => path !== archive);
  expect(stored).not.toEqual([]);

  const [, command = ''] = /^0 4 \* \* \* root (.*)$/m.exec(readFileSync(CRONTAB, 'utf8')) ?? [];
  expect(command).toMatch(/^find .* -delete$/);
  expect(await host.shell(command)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await filesBelow(stack.repositoryDir)).toEqual(stored);
  expect(await restoredDigest(stack, label)).toBe(before.stateDigest);
});
