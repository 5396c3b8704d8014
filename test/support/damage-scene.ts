/** A database with three backups, each of which needs one more piece than the one before, and hands to damage them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readManifest } from '../../src/store/manifests.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { manifestKey } from '../../src/core/repository/object-keys.ts';
import { parsePieceKey, type Piece, pieceKey } from '../../src/core/repository/piece.ts';
import { databaseState, type DatabaseState, expectNothingLeft } from './database-witness.ts';
import { DATABASE } from './database-stack.ts';
import { startLoadWriters } from './load-writers.ts';
import { keepRepositoryFiles, type RepositoryFiles } from './repository-files.ts';
import { failureOfRun, type RunFailure } from './run-failure.ts';
import { openScene, type Scene, type SharedServices } from './scene.ts';

/** Labels, and the keys of the pieces in the order in which backups came to need them. */
export type BackupKeys = { first: string; second: string; third: string; pieces: [string, string, string] };

export type Damage = (repository: RepositoryFiles, of: BackupKeys) => Promise<void>;

export type DamageScene = {
  scene: Scene;
  files: RepositoryFiles;
  keys: BackupKeys;
  /** The state digest of each backup. */
  digests: string[];
  /** The database as it was before any damage. */
  untouched: DatabaseState;
  /** Fails if the database is not as it was, or a run has left anything beside it. */
  expectUntouched: () => Promise<void>;
  verify: (backup: string, level?: string) => Promise<RunFailure>;
  /** In place. */
  restore: (backup: string) => Promise<RunFailure>;
  restoreElsewhere: (backup: string) => Promise<RestoreResult>;
  close: () => Promise<void>;
};

export const newestPiece = (of: BackupKeys): string => of.pieces[2];
export const oldestPiece = (of: BackupKeys): string => of.pieces[0];
export const newestManifest = (of: BackupKeys): string => manifestKey(DATABASE, of.third);
export const pieceOf = (key: string): Piece => parsePieceKey(key) as Piece;

const WRITES_A_BACKUP = 40;

export async function openDamageScene(shared: SharedServices): Promise<DamageScene> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-damaged-'));
  const scene = await openScene(shared);
  const { stack, temporal } = scene;
  const backups = [await backUpMore(scene), await backUpMore(scene), await backUpMore(scene)];
  const run = (type: string, input: object): Promise<RunFailure> => failureOfRun(temporal.execute(type, { database: DATABASE, ...input }));
  const untouched = await databaseState(stack.dataDir);
  return {
    scene,
    files: await keepRepositoryFiles(stack.repositoryDir, join(folder, 'kept')),
    keys: await keysOf(scene, backups),
    digests: backups.map(({ stateDigest }) => stateDigest ?? ''),
    untouched,
    expectUntouched: async () => {
      expect(await databaseState(stack.dataDir)).toEqual(untouched);
      await expectNothingLeft(stack.dataDir);
    },
    verify: (backup, level = 'replay') => run('verifyBackup', { backup, level }),
    restore: (backup) => run('restore', { backup }),
    restoreElsewhere: async (backup) => {
      const dataDir = join(await mkdtemp(join(folder, 'elsewhere-')), 'data');
      return temporal.execute<RestoreResult>('restore', { database: DATABASE, backup, to: { dataDir } });
    },
    close: async () => {
      await scene.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function backUpMore({ stack, temporal }: Scene): Promise<HotBackupResult> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix: `at-${Date.now()}` });
  await load.acknowledgedAtLeast(WRITES_A_BACKUP);
  await load.stop();
  return temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
}

async function keysOf({ stack }: Scene, backups: readonly HotBackupResult[]): Promise<BackupKeys> {
  const [first = '', second = '', third = ''] = backups.map(({ label }) => label);
  const { segments } = await readManifest(await stack.openRepository(), DATABASE, third);
  const pieces = segments.flatMap(({ segment, ranges }) =>
    ranges.map((range) => pieceKey(DATABASE, range.timeline, { segment, ...range, suffix: '.zst' })),
  );
  if (pieces.length !== backups.length) throw new Error(`each backup adds one piece, not ${pieces.join(', ')}`);
  return { first, second, third, pieces: pieces as BackupKeys['pieces'] };
}
