/** Temporal dies in the middle of a disaster recovery, with its runs in a database file. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { APPROVE_UPDATE } from '../../src/contract/messages.ts';
import { PROGRESS_QUERY } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { type BurningHosts, openBurningHosts, RECOVERY_TIMEOUT_MS } from './support/killed-recovery.ts';
import { recoveryPoint, WAITS_FOR_APPROVAL } from './support/recovery-point.ts';
import { brokenRecoveryPromises } from './support/recovery-promises.ts';

const OUTAGE_MS = 1000;
const APPROVER = 'somebody else';

let temporal: TemporalServer;
let hosts: BurningHosts;

beforeAll(async () => {
  temporal = await startTemporalServer();
  hosts = await openBurningHosts({ temporalAddress: temporal.address, workflowBundlePath: inject('workflowBundlePath') });
}, SET_UP_TIMEOUT_MS);

afterAll(async () => {
  await temporal.start();
  await hosts.close();
  await temporal.stop();
});

it(
  'completes a recovery though Temporal is killed while the state is fetched, and started again',
  { timeout: RECOVERY_TIMEOUT_MS },
  async () => {
    const victim = () => ({ kill: temporal.kill, revive: () => sleep(OUTAGE_MS).then(temporal.start) });
    const recovery = await hosts.recoverWithKills([recoveryPoint('0.6 MB are staged')], { victim });
    expect(recovery.killed.walAtKills).toEqual(['nothing']);
    expect(await brokenRecoveryPromises(recovery)).toEqual([]);
  },
);

it('goes on when it is approved after its agent and Temporal were killed and started again', { timeout: RECOVERY_TIMEOUT_MS }, async () => {
  const recovery = await hosts.recoverWithKills([WAITS_FOR_APPROVAL], {
    database: { approval: { for: ['disasterRecovery'] } },
    victim: (scene) => ({
      kill: () => Promise.all([temporal.kill(), scene.currentAgent().kill('SIGKILL')]),
      revive: async ({ handle }) => {
        await temporal.start();
        await scene.startNextAgent();
        const planHash = await wantedHash(handle);
        const before = await folderHashes(scene.stack.repositoryDir);
        await sleep(OUTAGE_MS);
        expect(await folderHashes(scene.stack.repositoryDir)).toEqual(before);
        await handle.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: APPROVER }] });
      },
    }),
  });
  expect(recovery.killed.walAtKills).toEqual(['nothing']);
  expect(await brokenRecoveryPromises(recovery)).toEqual([]);
});

async function wantedHash(run: WorkflowHandle): Promise<string> {
  let progress: Progress | undefined;
  const asks = async (): Promise<boolean> => (progress = await run.query<Progress>(PROGRESS_QUERY)).phase === 'waiting for approval';
  await waitUntil('the recovery waits for approval again', asks, 60_000);
  return /"planHash": "([0-9a-f]{64})"/.exec(progress?.waitsFor ?? '')?.[1] ?? '';
}
