/** What somebody or a disk does to a repository, and what the next backup makes of it. */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { ListBackupsResult } from '../../src/contract/list-backups.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { DATABASE } from '../support/database-stack.ts';
import { writeOrders } from '../support/odd-source.ts';
import { failureOfRun } from '../support/run-failure.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});

afterAll(() => scene.close());

const run = <Result>(type: string): Promise<Result> => scene.temporal.execute<Result>(type, { database: DATABASE });

it('a piece that a verification found damaged is stored again by the next backup, and nobody fails because of it any more', async () => {
  const { stack, temporal } = scene;
  await writeOrders(stack.address, 20);
  const first = await run<HotBackupResult>('hotBackup');
  const segments = join(stack.repositoryDir, 'databases', DATABASE, 'wal/0001/0000000000000001');
  const piece = join(segments, (await readdir(segments)).find((name) => name.endsWith('.zst')) ?? '');
  const sound = await readFile(piece);
  await writeFile(
    `${piece}.new`,
    Uint8Array.from(sound, (byte, index) => (index === sound.length >> 1 ? byte ^ 1 : byte)),
  );
  await rename(`${piece}.new`, piece);
  expect(await failureOfRun(temporal.execute('verifyBackup', { database: DATABASE }))).toMatchObject({ code: 'damaged-object' });

  const second = await run<HotBackupResult>('hotBackup');
  expect(second).toMatchObject({ outcome: 'warnings', restorable: 'from-log', piecesStored: 1 });
  expect(second.warnings.map(({ code }) => code)).toEqual(['stored-again']);
  expect(await readFile(piece)).toEqual(sound);
  expect(await run<VerifyBackupResult>('verifyBackup')).toMatchObject({ outcome: 'done', stateDigest: second.stateDigest });
  const { backups } = await run<ListBackupsResult>('listBackups');
  expect(backups.find(({ label }) => label === first.label)?.failed).toBeUndefined();
  expect(await run<HotBackupResult>('hotBackup')).toMatchObject({ outcome: 'done', piecesStored: 0 });
});

it('pieces that somebody removed are stored again and counted', async () => {
  const segments = join(scene.stack.repositoryDir, 'databases', DATABASE, 'wal/0001/0000000000000001');
  const pieces = (await readdir(segments)).filter((name) => name.endsWith('.zst'));
  for (const name of await readdir(segments)) await rm(join(segments, name));
  expect(await run<HotBackupResult>('hotBackup')).toMatchObject({ outcome: 'warnings', piecesStored: pieces.length });
  expect(await run<VerifyBackupResult>('verifyBackup')).toMatchObject({ outcome: 'done' });
});

it('a repository that is emptied under a running agent is unavailable, and nothing is written to it', async () => {
  const { repositoryDir } = scene.stack;
  // The header first: until it is gone, the repository is in use.
  await rm(join(repositoryDir, 'rstow-repository.json'));
  for (const name of await readdir(repositoryDir)) await rm(join(repositoryDir, name), { recursive: true });
  const failure = await failureOfRun(run('hotBackup'));
  expect(failure).toMatchObject({ code: 'repository-unavailable' });
  expect(failure.sentence).toContain('somebody has emptied it');
  expect(await readdir(repositoryDir)).toEqual([]);
});
