import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { readManifest } from '../../src/store/manifests.ts';
import type { DescribeDatabaseResult } from '../../src/contract/describe-database.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import { promisedExtents } from '../../src/core/backup/segment-plan.ts';
import { chooseLabel, choosePosition } from '../../src/core/backup/selection.ts';
import { makeWalOffset, parseWalOffset, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { scanAll } from '../fixtures/wal/scan-all.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { rstow } from '../support/rstow-command.ts';
import type { TestClient } from '../support/run-workflow.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { expectNoScratchLeft } from '../support/scratch-witness.ts';

let scene: Scene;
let stack: DatabaseStack;
let agent: AgentProcess;
let temporal: TestClient;
let backup: HotBackupResult;
/** Every test's server listens there. */
let port: number;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  port = await freePort();
  scene = await openScene(shared, { segmentSizeMb: 1, database: { rehearsal: { port } } });
  ({ stack, agent, temporal } = scene);
  const load = await startLoadWriters({ address: stack.address, writers: 4 });
  await load.acknowledgedAtLeast(2500);
  await load.stop();
  backup = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
});

afterAll(() => scene.close());

const test = (input: Record<string, unknown> = {}): Promise<TestRecoveryResult> =>
  temporal.execute<TestRecoveryResult>('testRecovery', { database: DATABASE, ...input });

const infoText = async (): Promise<string> =>
  (await rstow(['info', DATABASE], { TEMPORAL_ADDRESS: scene.temporalAddress, TEMPORAL_NAMESPACE: scene.namespace })).stdout;

const leftovers = async (): Promise<string[]> => readdir(join(stack.folder, 'agent', 'scratch'));

it('proves the newest backup on a real server and measures how long a recovery takes', async () => {
  const counts = [
    { machine: 'order', min: 1 },
    { machine: 'order', state: 'created', max: backup.instances ?? 0 },
  ];
  const instances = [{ id: 'load-0-1', state: 'delivered', path: 'customer.name', equals: 'Customer 1' }];
  const result = await test({ assertions: { counts, instances } });
  expect(result).toMatchObject({
    outcome: 'done',
    label: backup.label,
    stateDigest: backup.stateDigest,
    machines: 1,
    instances: backup.instances,
    assertionsHeld: 3,
  });
  expect(result.rtoMs).toBe(result.phases.fetchMs + result.phases.replayMs + result.phases.startMs);
  expect(await leftovers()).toEqual([]);
});

/** Where the server's own log has the end of the record that the seed's position lies in. */
async function endBySeed(seed: number | undefined): Promise<string> {
  const { segments } = await readManifest(await stack.openRepository(), DATABASE, backup.label ?? '');
  const { segment, positionBytes } = choosePosition(promisedExtents(segments), seed ?? -1);
  const { records } = scanAll([await readFile(join(stack.walDir, segmentFileName(segment)))]);
  const record = records.find(({ endBytes }) => endBytes >= positionBytes);
  return makeWalOffset(segment, record?.endBytes ?? 0).toString();
}

it('recovers a random point of the log up to a whole record, the same one again from its seed, and another one from another', async () => {
  const first = await test({ backup: 'random' });
  const again = await test({ backup: 'random', seed: first.seed });
  expect(first.seed).toBeTypeOf('number');
  expect(again.extents).toEqual(first.extents);
  expect(again.stateDigest).toBe(first.stateDigest);
  const other = await test({ backup: 'random', seed: (await endBySeed(1)) === first.extents.end ? 2 : 1 });
  expect(other.extents.end).not.toBe(first.extents.end);
  for (const { seed, label, extents, instances } of [first, other]) {
    expect(label).toBe(backup.label);
    expect(extents.end).toBe(await endBySeed(seed));
    expect(parseWalOffset(extents.end)! <= parseWalOffset(backup.extents!.end)!).toBe(true);
    expect(instances).toBeLessThanOrEqual(backup.instances ?? 0);
  }
});

it('fails with the assertion that did not hold, and remembers that', async () => {
  const refused = test({ assertions: { counts: [{ machine: 'order', min: 1_000_000 }] } });
  await expect(refused).rejects.toMatchObject({ cause: { type: 'assertion-failed' } });
  expect(await leftovers()).toEqual([]);
  const described = await temporal.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE });
  expect(described).toMatchObject({ tested: { label: backup.label }, untested: [] });
});

it('names a backup as untested, also after a test of a random point in it, until one has recovered it to its end', async () => {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix: 'second' });
  await load.acknowledgedAtLeast(100);
  await load.stop();
  const second = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const labels = [backup.label ?? '', second.label ?? ''];
  const seed = [1, 2, 3, 4, 5].find((candidate) => chooseLabel(labels, candidate) === second.label);
  const random = await test({ backup: 'random', seed });
  expect(random).toMatchObject({ label: second.label, seed });
  const describe = () => temporal.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE });
  expect(await describe()).toMatchObject({ tested: { label: second.label, seed, end: random.extents.end }, untested: [second.label] });
  expect(await infoText()).toMatch(
    new RegExp(`^recovered +${second.label} up to a random point, offset ${random.extents.end},\\s+in `, 'm'),
  );
  expect(await infoText()).toMatch(new RegExp(`^untested +${second.label}$`, 'm'));
  expect(await test()).toMatchObject({ label: second.label, stateDigest: second.stateDigest });
  const { tested, untested } = await describe();
  expect(tested).toMatchObject({ label: second.label });
  expect(tested?.seed).toBeUndefined();
  expect(untested).toEqual([]);
  expect(await infoText()).toMatch(/^untested +none$/m);
});

it('recovers an older backup by the beginning of its label', async () => {
  const older = await test({ backup: backup.label?.replace('-hot', '') });
  expect(older).toMatchObject({ label: backup.label, stateDigest: backup.stateDigest, instances: backup.instances });
  expect(older.extents).toEqual(backup.extents);
});

it('leaves no process, port or folder after ten tests in a row', async () => {
  for (let round = 0; round < 10; round += 1) {
    expect(await test()).toMatchObject({ outcome: 'done' });
    await expectNoScratchLeft(join(stack.folder, 'agent'), { agentPid: agent.pid, port });
  }
});
