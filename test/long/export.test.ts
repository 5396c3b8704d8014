/** What an export writes is used by the guide's own restore.sh, on a real server. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, test } from 'vitest';
import { agedLog, agedSource } from '../support/aged-log.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import { backUp, exportFile, importFile } from '../support/direct-backup.ts';
import { oddSource, writeOrders } from '../support/odd-source.ts';
import { canRunOldScripts, makeOldHost, restoreOldArchive, shownState } from '../support/old-scripts.ts';
import { runProgram } from '../support/run-program.ts';

const NEEDS = canRunOldScripts() ? '' : ' (needs root and mounts)';
const runTest = NEEDS === '' ? test : test.skip;

const fileIn = (stack: DatabaseStack, name: string): string => join(stack.folder, name);

runTest(`restore.sh brings an export back: the server has the same state, also after one more start${NEEDS}`, async () => {
  const stack = await oddSource();
  const host = await makeOldHost(stack);
  await writeOrders(stack.address, 60);
  const state = await shownState(stack);
  const { label } = await backUp(stack);
  const exported = await exportFile(stack, label, join(host.backupDir, 'exported.tar.gz'));
  expect(exported).toMatchObject({ outcome: 'done', label, ...state });
  await writeOrders(stack.address, 10, 'later');
  expect(await restoreOldArchive(host, exported.file)).toEqual(state);
  await stack.service.stop();
  await stack.startServer();
  await writeOrders(stack.address, 3, 'behind');
  expect((await shownState(stack)).instances).toBe(state.instances + 3);
});

it('writes one backup as the same bytes each time, readable by its owner alone, and never over a file', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 20);
  const { label, stateDigest } = await backUp(stack);
  const [one, other] = [
    await exportFile(stack, label, fileIn(stack, 'a.tar.gz')),
    await exportFile(stack, 'latest', fileIn(stack, 'b.tar.gz')),
  ];
  expect(one.sha256).toBe(other.sha256);
  const bytes = await readFile(one.file);
  expect({ sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }).toEqual({
    sizeBytes: one.sizeBytes,
    sha256: one.sha256,
  });
  expect((await stat(one.file)).mode & 0o777).toBe(0o600);
  const { stdout } = await runProgram('tar', ['-tzf', one.file]);
  const names = ['', 'backup.json', 'wal/', 'wal/0000000000000001.wal', 'snapshots/'].map((name) => `${label}/${name}`);
  expect(stdout.trimEnd().split('\n')).toEqual(names);
  await writeFile(fileIn(stack, 'mine.tar.gz'), 'mine');
  await expect(exportFile(stack, label, fileIn(stack, 'mine.tar.gz'))).rejects.toMatchObject({ code: 'file-exists' });
  expect(await readFile(fileIn(stack, 'mine.tar.gz'), 'utf8')).toBe('mine');
  for (const file of [
    '/etc/rstow.tar.gz',
    fileIn(stack, 'no-folder/x.tar.gz'),
    fileIn(stack, 'mine.tar.gz/x.tar.gz'),
    join(stack.dataDir, 'x.tar.gz'),
    join(stack.repositoryDir, 'x.tar.gz'),
  ]) {
    await expect(exportFile(stack, label, file)).rejects.toMatchObject({ code: 'file-not-allowed' });
  }
  expect((await readdir(stack.folder)).filter((name) => name.endsWith('.rstow'))).toEqual([]);
  const imported = await importFile(stack, one.file);
  expect(imported).toMatchObject({ outcome: 'done', stateDigest, takenFrom: 'backup.json', takenAtMs: Math.floor(imported.takenAtMs) });
});

it('exports a log that begins with a baseline, and imports it as such', async () => {
  const stack = await agedSource();
  const { aged } = await agedLog(stack);
  const exported = await exportFile(stack, aged.label, fileIn(stack, 'aged.tar.gz'));
  expect(await importFile(stack, exported.file)).toMatchObject({ stateDigest: aged.stateDigest, restorable: aged.restorable });
});
