import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { PointInTimeRecoveryInput, PointInTimeRecoveryResult } from '../../src/contract/point-in-time-recovery.ts';
import { deleteInstance, getInstance } from '../../src/io/rstmdb/instances.ts';
import { DATABASE } from '../support/database-stack.ts';
import { withClient, writeOrders } from '../support/odd-source.ts';
import { rstow, summaryOf } from '../support/rstow-command.ts';
import { failureOfRun } from '../support/run-failure.ts';
import type { ProgramEnd } from '../support/run-program.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => scene.close());

const backUp = (): Promise<HotBackupResult> => scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
const recover = (input: Omit<PointInTimeRecoveryInput, 'database'>): Promise<PointInTimeRecoveryResult> =>
  scene.temporal.execute<PointInTimeRecoveryResult>('pointInTimeRecovery', { database: DATABASE, ...input });
const typed = (...args: string[]): Promise<ProgramEnd> =>
  rstow(args, { TEMPORAL_ADDRESS: scene.temporalAddress, TEMPORAL_NAMESPACE: scene.namespace });

async function liveState(): Promise<{ stateDigest: string; instances: number }> {
  const { settings, config } = scene.stack;
  return liveDigest(settings, config.timing, new AbortController().signal);
}

const instance = (id: string): Promise<unknown> => withClient(scene.stack.address, (client) => getInstance(client, id));

/** Of the first history, before the instance was deleted. */
let whole: { stateDigest: string; instances: number };
let deleted: HotBackupResult;

it('brings a deleted instance back in place, as the dry run has said, by one command', async () => {
  const { address } = scene.stack;
  await writeOrders(address, 8);
  whole = await liveState();
  await withClient(address, (client) => deleteInstance(client, 'order-3'));
  await writeOrders(address, 2, 'later');
  deleted = await backUp();
  const point = ['restore', DATABASE, '--target-before', 'order-3', '--record', 'delete'];
  const plain = await typed(...point, '--dry-run');
  expect(plain).toMatchObject({ exitCode: 0 });
  expect(plain.stdout).toMatch(/^comes back +1 instance: order-3$/m);
  expect(plain.stdout).toMatch(/^goes away +2 instances: later-0, later-1$/m);
  expect(plain.stdout).toMatch(/^left out from +order-3 deleted, record [0-9]+ at offset [0-9]+$/m);
  expect(plain.stdout.split('\n').filter((line) => line.length > 80 && !line.includes('/'))).toEqual([]);
  expect(await instance('order-3')).toBeUndefined();
  const done = await typed(...point, '--yes', '--json');
  expect(done).toMatchObject({ exitCode: 0 });
  expect(summaryOf(done)).toMatchObject({ outcome: 'done', rehearsal: 'passed', fromTimeline: '0001', timeline: '0002', instances: 8 });
  expect(await instance('order-3')).toMatchObject({ state: 'paid' });
  expect(await liveState()).toMatchObject({ stateDigest: whole.stateDigest, instances: 8 });
});

it('forks again at another point, and still has every point of the histories that were left', async () => {
  await writeOrders(scene.stack.address, 3, 'second');
  const second = await backUp();
  const third = await recover({ target: { after: { instance: 'second-0', occurrence: 1 } } });
  expect(third).toMatchObject({ outcome: 'done', fromTimeline: '0002', timeline: '0003', instances: 9 });
  const left = await recover({ target: { latest: true }, timeline: '0002', to: { dataDir: join(scene.stack.folder, 'left') } });
  expect(left).toMatchObject({ stateDigest: second.stateDigest, fromTimeline: '0002', timeline: '0002' });
  // The first history goes on behind the place at which it was left.
  const first = await recover({ target: { after: { instance: 'later-1' } }, timeline: '0001', dryRun: true });
  expect(first).toMatchObject({ stateDigest: deleted.stateDigest, instances: 9, fromTimeline: '0001' });
  expect(first.explanation!.difference).toMatchObject({
    instancesCreated: { first: ['later-0', 'later-1'] },
    instancesDeleted: { first: ['order-3', 'second-0'] },
  });
});

it('says in one sentence what is wrong with a point, soon, and touches nothing', async () => {
  const before = await liveState();
  for (const [args, exitCode, sentence] of [
    [['--target-name', 'nowhere'], 10, 'mark-not-found: no mark is called "nowhere"; there is none yet'],
    [['--target-sequence', '999999'], 10, 'point-not-found: there is no record 999999; the nearest is'],
    [['--target-before', 'order-99'], 10, 'the stored log has no record of instance "order-99"'],
    [['--target-time', '2020-01-01T00:00:00Z'], 10, 'nothing is known of what was written by 2020-01-01T00:00:00Z'],
    [['--target-time', 'yesterday'], 2, '--target-time must be a time with its zone'],
    [
      ['--target-offset', '1', '--target-sequence', '1'],
      2,
      'a point is named by one of the --target- options; these are --target-offset, --target-sequence',
    ],
    [['--target-sequence', '1', '--timeline', '0077'], 10, 'has no timeline 0077; it has 0001, 0002, 0003'],
    [['--event', 'PAY'], 2, '--event, --record and --occurrence need --target-before or --target-after'],
    [['--backup', 'latest', '--target-sequence', '1'], 2, '--backup and the options for a point exclude each other'],
  ] as const) {
    const end = await typed('restore', DATABASE, '--yes', ...args);
    expect({ args, exitCode: end.exitCode, stderr: end.stderr }).toMatchObject({
      exitCode,
      stderr: expect.stringContaining(sentence) as string,
    });
    expect(end.stderr).toMatch(/^hint: /m);
  }
  expect(await liveState()).toMatchObject({ stateDigest: before.stateDigest });
});

it('refuses a wrong start from elsewhere at once', async () => {
  const handle = await scene.temporal.start('pointInTimeRecovery', { database: DATABASE, target: { time: '2026-11-24' } });
  expect(await failureOfRun(handle.result())).toMatchObject({ code: 'invalid-input' });
});
