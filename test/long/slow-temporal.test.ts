import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { DATABASE } from '../support/database-stack.ts';
import { rstow as typed } from '../support/rstow-command.ts';
import type { ProgramEnd } from '../support/run-program.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => scene.close());

const rstow = (...args: string[]): Promise<ProgramEnd> =>
  typed(args, { TEMPORAL_ADDRESS: scene.temporalAddress, TEMPORAL_NAMESPACE: scene.namespace });

test('leaves none of the queries before the last one among the runs, nor that of `rstow up`', { timeout: 150_000 }, async () => {
  await rstow('list', DATABASE);
  const workflowId = runWorkflowId(DATABASE, 'describeDatabase', 'up');
  await scene.temporal.client.workflow.execute('describeDatabase', {
    workflowId,
    taskQueue: WORKFLOW_QUEUE,
    args: [{ database: DATABASE }],
  });
  await sleep(11_000);
  await rstow('list', DATABASE);
  const queries = async (): Promise<number> =>
    (await scene.temporal.client.workflow.count(`WorkflowType IN ('listBackups', 'describeDatabase')`)).count;
  // Temporal takes its time to delete.
  await expect.poll(queries, { timeout: 100_000, interval: 500 }).toBe(1);
});

test('says that no agent is up, right after it was killed', { timeout: 120_000 }, async () => {
  await scene.agent.kill('SIGKILL');
  const started = performance.now();
  const { exitCode, stderr } = await rstow('backup', DATABASE);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 17,
    stderr: expect.stringMatching(/^error: agent-unreachable: no agent took the run up .*\nhint: /m) as string,
  });
  expect(performance.now() - started).toBeLessThan(90_000);
});
