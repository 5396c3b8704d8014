import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RebaseDatabaseResult } from '../../src/contract/rebase-database.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { loseSegments, segmentNames } from '../support/lost-log.ts';
import { sourceDigest } from '../support/odd-source.ts';
import { rstow, summaryOf } from '../support/rstow-command.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';

let scene: Scene;
let host: DatabaseStack;

/** Of a server that nobody has guarded. */
const database = { guard: { enabled: false }, archive: { enabled: false } };

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1, database });
  host = await makeStandbyHost(scene.stack);
});

afterAll(async () => {
  await host.remove();
  await scene.close();
});

const execute = <Result>(type: string, input: object = {}): Promise<Result> =>
  scene.temporal.execute<Result>(type, { database: DATABASE, ...input });

async function write(count: number, prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: scene.stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

it('is backed up, checked, tested, rebased and recovered onto another host as any other', async () => {
  const { stack } = scene;
  await write(4000, 'first');
  await loseSegments(stack, (await segmentNames(stack.walDir)).length - 1);
  const live = await sourceDigest(stack);
  const backup = await execute<HotBackupResult>('hotBackup');
  expect(backup).toMatchObject({
    outcome: 'warnings',
    warnings: [{ code: 'log-rescued' }],
    restorable: 'from-baseline',
    stateDigest: live,
  });
  const { label } = backup;
  expect(await execute<VerifyBackupResult>('verifyBackup', { backup: label, level: 'replay' })).toMatchObject({ outcome: 'done' });
  const tested = await execute<TestRecoveryResult>('testRecovery', { backup: label });
  expect(tested).toMatchObject({ outcome: 'done', stateDigest: live });
  expect(await execute<TestRecoveryResult>('testRecovery', { backup: 'random', seed: 7 })).toMatchObject({ outcome: 'done' });

  await write(300, 'second');
  const grown = await sourceDigest(stack);
  const { temporalAddress, namespace } = scene;
  const rebased = await rstow(['rebase', DATABASE, '--yes', '--json', '--address', temporalAddress, '--namespace', namespace]);
  expect(rebased.exitCode, rebased.stderr).toBe(0);
  const result = summaryOf(rebased) as unknown as RebaseDatabaseResult;
  expect(result).toMatchObject({ outcome: 'done', timeline: '0003', lacking: 1, stateDigest: grown });
  for (const time of ['first', 'second']) {
    await stack.service.stop();
    await stack.startServer();
    expect(await sourceDigest(stack), time).toBe(grown);
  }
  await write(100, 'third');
  const last = await execute<HotBackupResult>('hotBackup');
  expect(last).toMatchObject({ outcome: 'done', restorable: 'from-baseline', timeline: '0003', stateDigest: await sourceDigest(stack) });

  await scene.agent.kill('SIGKILL');
  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  await scene.startAgent(host.configFile);
  const recovered = await execute<DisasterRecoveryResult>('disasterRecovery', { agent: 'db2' });
  expect(recovered).toMatchObject({ label: last.label, stateDigest: last.stateDigest });
  expect(await sourceDigest(host)).toBe(last.stateDigest);
});
