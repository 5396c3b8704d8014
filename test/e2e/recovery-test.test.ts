import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { DescribeDatabaseResult } from '../../src/contract/describe-database.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { startLoadWriters } from '../support/load-writers.ts';
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

it('recovers a random point of the log, and the same one again from its seed', async () => {
  const first = await test({ backup: 'random' });
  const again = await test({ backup: 'random', seed: first.seed });
  expect(first.seed).toBeTypeOf('number');
  expect(again.extents).toEqual(first.extents);
  expect(again.stateDigest).toBe(first.stateDigest);
});

it('fails with the assertion that did not hold, and remembers that', async () => {
  const refused = test({ assertions: { counts: [{ machine: 'order', min: 1_000_000 }] } });
  await expect(refused).rejects.toMatchObject({ cause: { type: 'assertion-failed' } });
  expect(await leftovers()).toEqual([]);
  const described = await temporal.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE });
  expect(described).toMatchObject({ tested: { label: backup.label }, untested: [] });
});

it('names a backup that no test has recovered', async () => {
  const second = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const described = await temporal.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE });
  expect(described.untested).toEqual([second.label]);
});

it('leaves no process, port or folder after ten tests in a row', async () => {
  for (let round = 0; round < 10; round += 1) {
    expect(await test()).toMatchObject({ outcome: 'done' });
    await expectNoScratchLeft(join(stack.folder, 'agent'), { agentPid: agent.pid, port });
  }
});
