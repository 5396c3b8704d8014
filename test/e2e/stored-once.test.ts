import { readFile, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { parsePieceKey, type Piece } from '../../src/core/repository/piece.ts';
import { DATABASE } from '../support/database-stack.ts';
import { filesBelow, folderHashes } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';

const WRITES = 4000;

let scene: Scene;
let first: HotBackupResult;

beforeAll(async () => {
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { segmentSizeMb: 1 },
  );
  await write('begin', WRITES);
  first = await backUp();
});
afterAll(() => scene.close());

const backUp = (): Promise<HotBackupResult> => scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });

async function write(prefix: string, count: number): Promise<void> {
  const load = await startLoadWriters({ address: scene.stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

async function storedPieces(): Promise<Piece[]> {
  const { repositoryDir } = scene.stack;
  const keys = (await filesBelow(repositoryDir)).map((path) => relative(repositoryDir, path));
  return keys.map(parsePieceKey).filter((piece) => piece !== undefined);
}

function endsBySegment(pieces: readonly Piece[]): Map<number, number> {
  const ends = new Map<number, number>();
  for (const { segment, endBytes } of pieces) ends.set(segment, Math.max(endBytes, ends.get(segment) ?? 0));
  return ends;
}

/** Makes rubbish of every stored piece while `work` runs: whatever reads one can't come to a good end. */
async function withUnreadablePieces<Result>(work: () => Promise<Result>): Promise<Result> {
  const paths = (await storedPieces()).map(({ key }) => join(scene.stack.repositoryDir, key));
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  await Promise.all(paths.map((path, index) => writeFile(path, Buffer.alloc(contents[index]!.length, 'no piece at all'))));
  try {
    return await work();
  } finally {
    await Promise.all(paths.map((path, index) => writeFile(path, contents[index]!)));
  }
}

describe('what is stored already', () => {
  it('is several segments whose pieces are their bytes', async () => {
    expect(first.extents!.segments).toBeGreaterThan(2);
    expect(first.bytesPlain).toBe(first.extents!.sizeBytes);
    expect(first.piecesStored).toBe((await storedPieces()).length);
  });

  it('is neither stored nor read again by a backup with nothing new, which is as whole as the first', async () => {
    const before = await folderHashes(join(scene.stack.repositoryDir, 'databases', DATABASE, 'wal'));
    const second = await withUnreadablePieces(backUp);
    expect(second).toMatchObject({ outcome: 'done', piecesStored: 0, bytesStored: 0, bytesPlain: 0 });
    expect(second).toMatchObject({ extents: first.extents, stateDigest: first.stateDigest, records: first.records });
    expect(await folderHashes(join(scene.stack.repositoryDir, 'databases', DATABASE, 'wal'))).toEqual(before);
    const verified = await scene.temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE, backup: second.label });
    expect(verified.stateDigest).toBe(first.stateDigest);
  });

  it('is shared by a backup with one per cent more, which stores only tails', async () => {
    const before = await storedPieces();
    const oldEnds = endsBySegment(before);
    await write('more', WRITES / 100);
    const third = await withUnreadablePieces(backUp);
    expect(third).toMatchObject({ outcome: 'done', warnings: [] });
    const known = new Set(before.map(({ key }) => key));
    const added = (await storedPieces()).filter(({ key }) => !known.has(key));
    expect(added.length).toBeGreaterThan(0);
    for (const { segment, startBytes } of added) expect(startBytes).toBe(oldEnds.get(segment) ?? 0);
    const grownBytes = third.extents!.sizeBytes - first.extents!.sizeBytes;
    expect(grownBytes).toBeLessThan(first.extents!.sizeBytes / 25);
    expect(third).toMatchObject({ bytesPlain: grownBytes, piecesStored: added.length });
    const sizes = await Promise.all(added.map(async ({ key }) => (await stat(join(scene.stack.repositoryDir, key))).size));
    expect(third.bytesStored).toBe(sizes.reduce((total, size) => total + size, 0));
  });

  it('is told from rubbish: the same rubbish makes a verification fail', async () => {
    const verification = withUnreadablePieces(() => scene.temporal.execute('verifyBackup', { database: DATABASE }));
    const type = expect.stringMatching(/^(damaged|truncated)-object$/) as string;
    await expect(verification).rejects.toMatchObject({ cause: { type } });
  });
});
