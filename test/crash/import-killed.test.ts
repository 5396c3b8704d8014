import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ImportBackupResult } from '../../src/contract/import-backup.ts';
import type { ListBackupsResult } from '../../src/contract/list-backups.ts';
import { DATABASE } from '../support/database-stack.ts';
import { runProgram } from '../support/run-program.ts';
import { type CrashScene, openCrashScene, SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { IMPORT_POINTS } from './support/kill-point.ts';
import { runWithKills, untilSeen } from './support/kill-run.ts';

let scene: CrashScene;

beforeAll(async () => {
  scene = await openCrashScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
}, SET_UP_TIMEOUT_MS);

afterAll(() => scene.close());

it('completes an import whose agent is killed again and again, once, and leaves the history in use alone', async () => {
  const { stack } = scene;
  const killed = await untilSeen(async (attempt) => {
    // Each try has a log that nobody has imported yet.
    await scene.write(`unstored-${attempt}`, 50);
    const file = join(stack.folder, `archive-${attempt}.tar.gz`);
    await runProgram('tar', ['-czf', file, '-C', stack.dataDir, 'wal']);
    return runWithKills<ImportBackupResult>(scene, { type: 'importBackup', input: { database: DATABASE, file }, points: IMPORT_POINTS });
  });
  // Numbers that failed writes have used up may fall on the border of two segments.
  expect(killed.result.warnings.filter(({ code }) => code !== 'records-missing')).toEqual([]);
  expect(killed.result).toMatchObject({ kind: 'import', stateDigest: await scene.digest() });
  expect(killed.changedPieces).toEqual([]);
  const { backups } = await scene.temporal.execute<ListBackupsResult>('listBackups', { database: DATABASE });
  expect(backups.filter(({ timeline }) => timeline === killed.result.timeline).map(({ label }) => label)).toEqual([killed.result.label]);
  expect(backups[0]).toMatchObject({ label: scene.backup.label, isInUse: true });
});
