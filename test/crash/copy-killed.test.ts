import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import type { CopyBackupsResult } from '../../src/contract/copy-backups.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import { writeNoise } from '../support/aged-log.ts';
import { DATABASE } from '../support/database-stack.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { waitUntil } from '../support/wait-until.ts';

let folder: string;
let scene: Scene;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-copied-'));
  await mkdir(join(folder, 'far'));
  const repositories = { far: { kind: 'folder', path: join(folder, 'far') } };
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1, repositories, timing: { patienceMs: 1_000, transferGiveUpMs: 600_000 } });
});

afterEach(async () => {
  await scene.close();
  await rm(folder, { recursive: true });
});

/** The pieces in the repository, by where they lie on its disk. */
async function piecesIn(path: string): Promise<Map<string, number>> {
  const pieces = (await filesBelow(join(path, 'databases')))
    .map((file) => relative(path, file))
    .filter((key) => parsePieceKey(key) !== undefined);
  return new Map(await Promise.all(pieces.map(async (key) => [key, (await stat(join(path, key))).ino] as const)));
}

it('goes on where an agent was killed in mid-copy, again and again, and stores nothing twice that was whole', async () => {
  const { stack, temporal } = scene;
  const far = join(folder, 'far');
  await rename(far, `${far}-away`);
  await writeNoise(stack.address, 170);
  const { label = '' } = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  await rename(`${far}-away`, far);
  const wanted = await piecesIn(stack.repositoryDir);
  const run = await temporal.start('copyBackups', { database: DATABASE, to: ['far'], bytesPerSecond: 2_000_000 });
  const whole = new Map<string, number>();
  for (const count of [1, 6]) {
    await waitUntil(`${count} pieces are copied`, async () => (await piecesIn(far)).size >= count);
    await scene.agent.kill('SIGKILL');
    for (const [key, inode] of await piecesIn(far)) if (await isWhole(join(far, key))) whole.set(key, whole.get(key) ?? inode);
    scene.agent = await scene.startAgent(stack.configFile);
  }
  const result = (await run.result()) as CopyBackupsResult;
  expect(result.repositories).toMatchObject([{ repository: 'far', failures: [] }]);
  const copied = await piecesIn(far);
  expect(new Set(copied.keys())).toEqual(new Set(wanted.keys()));
  expect(whole.size).toBeGreaterThan(0);
  for (const [key, inode] of whole) expect(copied.get(key), key).toBe(inode);
  const { backups } = await temporal.execute<{ backups: { label: string; copies: unknown[] }[] }>('listBackups', { database: DATABASE });
  expect(backups).toMatchObject([{ label, copies: [{ repository: 'local' }, { repository: 'far' }] }]);
});

/** Its sidecar comes behind it. */
async function isWhole(path: string): Promise<boolean> {
  return (await stat(`${path}.json`).catch(() => undefined)) !== undefined;
}
