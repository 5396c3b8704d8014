import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import type { UndoRestoreResult } from '../../src/contract/undo-restore.ts';
import { listReplaced } from '../../src/io/data-directory/restores.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, restoreInPlace, undoInPlace } from '../support/direct-backup.ts';
import { oddSource, sourceDigest, writeOrders } from '../support/odd-source.ts';

let stack: DatabaseStack;
/** Of the state that the restore replaces; a part of it was in no backup. */
let replaced: string;

/** A server whose data were restored to a wrong, older point; gives the files that the repository had before. */
async function restoredWrongly(): Promise<Set<string>> {
  stack = await oddSource();
  await writeOrders(stack.address, 4);
  const older = await backUp(stack);
  await writeOrders(stack.address, 3, 'newer');
  replaced = await sourceDigest(stack);
  const before = new Set(await stored());
  await restoreInPlace(stack, older.label);
  expect(await sourceDigest(stack)).toBe(older.stateDigest);
  return before;
}

const stored = (): Promise<string[]> => readdir(join(stack.repositoryDir, 'databases', DATABASE), { recursive: true });

const restores = async (): Promise<string[]> => (await listReplaced(stack.dataDir)).map(({ runId }) => runId);

async function removeSafetyCopies(): Promise<void> {
  for (const { path } of await listReplaced(stack.dataDir)) await rm(path, { recursive: true });
}

let filesBefore: Set<string>;
beforeEach(async () => {
  filesBefore = await restoredWrongly();
}, 60_000);

it('brings back the state as it was before a restore to a wrong point, and back again: an undo can be undone', async () => {
  await writeOrders(stack.address, 2, 'on-the-wrong-data');
  const wrong = await sourceDigest(stack);
  const undone = await undoInPlace(stack);
  expect(undone).toMatchObject({ stateDigest: replaced, rehearsal: 'passed', fromTimeline: '0001', timeline: '0003' });
  expect(undone.undoes).toMatchObject({ runId: (await restores())[0] });
  expect(await sourceDigest(stack)).toBe(replaced);
  const again = await undoInPlace(stack);
  expect(again).toMatchObject({ undoes: { runId: undone.runId }, fromTimeline: '0002', label: undone.savedAs });
  expect(await sourceDigest(stack)).toBe(wrong);
  // The first restore's copy is still there, and can be named.
  const named = await undoInPlace(stack, { restore: undone.undoes!.runId.slice(0, 8) });
  expect(named.undoes).toEqual(undone.undoes);
  expect(await sourceDigest(stack)).toBe(replaced);
});

it('makes a backup of the safety copy if none holds all of it, and undoes from that', async () => {
  for (const file of await stored()) {
    const isLate = !filesBefore.has(file) && (/0001\/.*(wal.zst|json)$/.test(file) || file.includes('-tail'));
    if (isLate) await rm(join(stack.repositoryDir, 'databases', DATABASE, file), { recursive: true, force: true });
  }
  expect((await stored()).filter((file) => file.includes('-tail'))).toEqual([]);
  const planned = await undoInPlace(stack, { dryRun: true });
  expect(planned.label).toMatch(/-tail$/);
  expect(await sourceDigest(stack)).not.toBe(replaced);
  const undone = await undoInPlace(stack);
  expect(undone).toMatchObject({ label: planned.label, stateDigest: replaced });
  expect(await sourceDigest(stack)).toBe(replaced);
});

/** Spoils a byte in the middle of each file. */
async function spoil(paths: readonly string[]): Promise<void> {
  expect(paths).not.toEqual([]);
  for (const path of paths) {
    const bytes = await readFile(path);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle]! ^= 1;
    await writeFile(path, bytes);
  }
}

const piecesOfReplaced = async (): Promise<string[]> =>
  (await stored())
    .filter((file) => /^wal\/0001\/.*\.wal\.zst$/.test(file))
    .map((file) => join(stack.repositoryDir, 'databases', DATABASE, file));

it('takes the log from the safety copy instead of fetching it', async () => {
  await spoil(await piecesOfReplaced());
  expect(await undoInPlace(stack)).toMatchObject({ stateDigest: replaced, rehearsal: 'passed' });
  expect(await sourceDigest(stack)).toBe(replaced);
});

it.each([
  ['other bytes', (path: string) => spoil([path]), []],
  ['less', (path: string) => truncate(path, 100), ['timeline-diverged']],
])('fetches the log if the safety copy holds %s than was stored', async (_what, damage, warnings) => {
  const [copy] = await listReplaced(stack.dataDir);
  await damage(join(copy!.path, 'wal/0000000000000001.wal'));
  const undone = await undoInPlace(stack);
  expect(undone).toMatchObject({ stateDigest: replaced, undoes: { runId: copy!.runId } });
  expect(undone.warnings.map(({ code }) => code)).toEqual([...warnings, 'no-backup-yet']);
  expect(await sourceDigest(stack)).toBe(replaced);
});

it('undoes from the backup if the safety copy is gone and its restore is named, and else says what there is', async () => {
  const [restore = ''] = await restores();
  await removeSafetyCopies();
  const [tail] = (await readdir(join(stack.repositoryDir, 'databases', DATABASE, 'backups'))).filter((label) => label.endsWith('-tail'));
  const refused = { code: 'nothing-to-undo', message: expect.stringContaining(`there are the backups ${tail}`) as string };
  await expect(undoInPlace(stack)).rejects.toMatchObject(refused);
  await expect(undoInPlace(stack, { restore: 'another' })).rejects.toMatchObject(refused);
  const undone: UndoRestoreResult = await undoInPlace(stack, { restore });
  expect(undone).toMatchObject({ label: tail, undoes: { runId: restore } });
  expect(await sourceDigest(stack)).toBe(replaced);
});
