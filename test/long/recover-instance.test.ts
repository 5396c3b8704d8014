/** One instance back, by the command, an agent and Temporal, beside clients that write. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { RecoverInstanceResult } from '../../src/contract/recover-instance.ts';
import { deleteInstance, getInstance, type Instance } from '../../src/io/rstmdb/instances.ts';
import { walStats } from '../../src/io/rstmdb/server.ts';
import { DATABASE } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { withClient } from '../support/odd-source.ts';
import { rstow, summaryOf } from '../support/rstow-command.ts';
import type { ProgramEnd } from '../support/run-program.ts';
import { textOfHistory } from '../support/run-workflow.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { deedsOf, writeTally } from '../support/tally.ts';
import { waitUntil } from '../support/wait-until.ts';

const EVENTS = 600;
const APPROVAL = { for: ['recoverInstance'], expiresMs: 120_000 };

let scene: Scene;
let before: Instance;
/** Of the run that brought it back. */
let workflowId: string;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1, database: { approval: APPROVAL } });
  await withClient(scene.stack.address, async (client) => {
    await writeTally(client, 't-1', EVENTS);
    before = (await getInstance(client, 't-1'))!;
    await deleteInstance(client, 't-1');
  });
  await scene.temporal.execute('hotBackup', { database: DATABASE });
});
afterAll(() => scene.close());

const live = (): Promise<Instance | undefined> => withClient(scene.stack.address, (client) => getInstance(client, 't-1'));

const extract = (...args: string[]): Promise<ProgramEnd> => {
  const env = { TEMPORAL_ADDRESS: scene.temporalAddress, TEMPORAL_NAMESPACE: scene.namespace, RSTOW_CONFIG: scene.stack.configFile };
  return rstow(['extract', DATABASE, 't-1', '--deleted', ...args], env);
};

it('names in a dry run what it would bring back, as the printed instance has it, and writes nothing', async () => {
  const printed = await extract('--json');
  expect(summaryOf(printed)).toMatchObject({ machine: 'tally', state: 'closed', events: EVENTS + 1 });
  expect(printed.stdout).toContain(`"ctx":${before.ctxText}}`);
  const { lastSequence } = await withClient(scene.stack.address, walStats);
  const planned = await extract('--apply', '--dry-run');
  expect(planned, planned.stderr).toMatchObject({ exitCode: 0 });
  expect(planned.stdout).toMatch(/^would bring back +t-1$/m);
  expect(planned.stdout).toContain(`its creation and ${EVENTS + 1} events`);
  expect(await live()).toBeUndefined();
  expect((await withClient(scene.stack.address, walStats)).lastSequence).toBe(lastSequence);
});

it('brings it back once it is approved, although the agent is killed between two events, beside clients that write', async () => {
  const load = await startLoadWriters({ address: scene.stack.address, writers: 2 });
  const started = await extract('--apply', '--no-wait');
  expect(started, started.stderr).toMatchObject({ exitCode: 0 });
  workflowId = started.stdout.trim();
  const run = scene.temporal.client.workflow.getHandle(workflowId);
  const phase = async (): Promise<string> => (await run.query<{ phase: string }>('progress')).phase;
  await waitUntil('it waits for approval', async () => (await phase()) === 'waiting for approval');
  expect(await live()).toBeUndefined();
  const { waitsFor } = await run.query<{ waitsFor: string }>('progress');
  const planHash = /"planHash": "([0-9a-f]{64})"/.exec(waitsFor)?.[1] ?? '';
  await run.executeUpdate('approve', { args: [{ planHash, by: 'bob' }] });
  await waitUntil('some events are applied', async () => Number(/"count":([0-9]+)/.exec((await live())?.ctxText ?? '')?.[1]) > 3);
  await scene.agent.kill('SIGKILL');
  expect(await live()).toMatchObject({ state: 'open' });
  await scene.startAgent(scene.stack.configFile);
  const result = (await run.result()) as RecoverInstanceResult;
  expect(result).toMatchObject({ outcome: 'done', planHash, events: EVENTS + 1 });
  expect((await load.stop()).acknowledged.length).toBeGreaterThan(0);
  const { machine, version, state, ctxText } = before;
  expect(await live()).toMatchObject({ machine, version, state, ctxText });
  const life = ['create_instance', ...Array.from({ length: EVENTS }, () => 'ADD'), 'CLOSE'];
  expect(await deedsOf(scene.stack.walDir, 't-1')).toEqual([...life, 'delete_instance', ...life]);
});

it('refuses it now that it is there, and the run’s history has nothing of what it holds', async () => {
  const again = await extract('--apply', '--json');
  expect(summaryOf(again)).toMatchObject({ outcome: 'not-needed' });
  const older = ['--target-after', 't-1', '--record', 'create', '--occurrence', '1'];
  const env = { TEMPORAL_ADDRESS: scene.temporalAddress, TEMPORAL_NAMESPACE: scene.namespace };
  const refused = await rstow(['extract', DATABASE, 't-1', '--apply', ...older], env);
  expect(refused).toMatchObject({ exitCode: 11 });
  expect(refused.stderr).toContain('error: instance-exists: instance "t-1" is there already');
  const text = textOfHistory(await scene.temporal.client.workflow.getHandle(workflowId).fetchHistory());
  expect(text).toContain('ctxSha256');
  expect(text).not.toMatch(/Zürich|9007199254740993/);
});
