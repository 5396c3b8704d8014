import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { storeIn } from '../support/store-in.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { readWal, requireWrite } from '../support/bounds-round.ts';
import { DATABASE } from '../support/database-stack.ts';
import { databaseState } from '../support/database-witness.ts';
import type { AcknowledgedWrite } from '../support/load-writers.ts';
import { expectNoScratchLeft } from '../support/scratch-witness.ts';
import { type CrashScene, openCrashScene, SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { HOT_BACKUP_POINTS, pointOf, RESTORE_POINTS, TEST_RECOVERY_POINTS, VERIFY_BACKUP_POINTS } from './support/kill-point.ts';
import { runWithKills, untilSeen } from './support/kill-run.ts';
import { leftBehind } from './support/left-behind.ts';
import { untiledPieces } from './support/piece-stamps.ts';

let scene: CrashScene;

beforeAll(async () => {
  scene = await openCrashScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
}, SET_UP_TIMEOUT_MS);

afterAll(() => scene.close());

it('completes a backup whose agent is killed again and again, and stores no piece twice', async () => {
  const names = ['the first pin is linked', 'a piece has no sidecar yet', 'the manifest is written'];
  const points = names.map((name) => pointOf(HOT_BACKUP_POINTS, name));
  const killed = await untilSeen(async (attempt) => {
    await scene.write(`unstored-${attempt}`, 3000);
    return runWithKills<HotBackupResult>(scene, { type: 'hotBackup', input: { database: DATABASE }, points });
  });
  expect(killed.result).toMatchObject({ outcome: 'done', runId: killed.runId, stateDigest: await scene.digest() });
  expect(killed.changedPieces).toEqual([]);
  expect(untiledPieces(scene.stack)).toEqual([]);
  expect(await leftBehind(scene, killed.runId)).toEqual([]);
});

it('completes a verification whose agent is killed while it replays, and removes its scratch', async () => {
  const input = { database: DATABASE, backup: scene.backup.label };
  const points = VERIFY_BACKUP_POINTS;
  const killed = await untilSeen(() => runWithKills<VerifyBackupResult>(scene, { type: 'verifyBackup', input, points }));
  expect(killed.result).toMatchObject({ outcome: 'done', stateDigest: scene.backup.stateDigest });
  expect(await leftBehind(scene, killed.runId)).toEqual([]);
});

it('completes a recovery test whose agent is killed again and again, remembers it once, and leaves production alone', async () => {
  const input = { database: DATABASE, backup: scene.backup.label };
  const { stack } = scene;
  const before = await databaseState(stack.dataDir);
  const killed = await untilSeen(() =>
    runWithKills<TestRecoveryResult>(scene, { type: 'testRecovery', input, points: TEST_RECOVERY_POINTS }),
  );
  expect(killed.result).toMatchObject({ outcome: 'done', runId: killed.runId, stateDigest: scene.backup.stateDigest });
  // At once: what the run left, the agent would remove a minute later.
  await expectNoScratchLeft(join(stack.folder, 'agent'), { agentPid: scene.currentAgent().pid });
  const store = await storeIn(await stack.openRepository(), DATABASE);
  const tests = (await store.facts.of(scene.backup.label ?? '')).filter(({ kind }) => kind === 'test');
  expect(tests.filter(({ runId }) => runId === killed.runId)).toMatchObject([{ outcome: 'held', label: scene.backup.label }]);
  expect(await leftBehind(scene, killed.runId)).toEqual([]);
  expect(await databaseState(stack.dataDir)).toEqual(before);
  expect(killed.changedPieces).toEqual([]);
});

it.each([
  [
    'again and again',
    ['one segment is staged, the next is half', 'the rehearsal server runs', 'no server can start'],
    ['old', 'old', 'refuses'],
  ],
  ['between the two renames', ['there is no wal/'], ['refuses']],
  ['while it stores what no backup holds with the server down', ['the tail is being stored'], ['refuses']],
])('completes a restore whose agent is killed %s', async (when, names, walAtKills) => {
  const points = names.map((name) => pointOf(RESTORE_POINTS, name));
  const input = { database: DATABASE, backup: scene.backup.label };
  let unsaved: AcknowledgedWrite[] = [];
  const killed = await untilSeen(async (attempt) => {
    unsaved = await scene.write(`${when.replaceAll(' ', '-')}-${attempt}`, 20);
    return runWithKills<RestoreResult>(scene, { type: 'restore', input, points });
  });
  expect(killed.walAtKills).toEqual(walAtKills);
  expect(killed.result).toMatchObject({ outcome: 'done', runId: killed.runId, rehearsal: 'passed', stateDigest: scene.backup.stateDigest });
  expect(await scene.digest()).toBe(scene.backup.stateDigest);
  expect(killed.changedPieces).toEqual([]);
  expect(await leftBehind(scene, killed.runId)).toEqual([]);
  await expectSaved(killed.result, unsaved);
});

/** What the restore replaced is a backup, and none of these is missing in it. */
async function expectSaved({ savedAs }: RestoreResult, writes: readonly AcknowledgedWrite[]): Promise<void> {
  const dataDir = join(scene.stack.folder, `saved-${savedAs ?? 'nowhere'}`);
  await scene.temporal.execute('restore', { database: DATABASE, backup: savedAs, to: { dataDir } });
  const wal = await readWal(join(dataDir, 'wal'));
  for (const write of writes) requireWrite(wal, write);
}
