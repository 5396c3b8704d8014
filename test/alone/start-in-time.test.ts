import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { stringify } from 'yaml';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';

const ARCHIVE = 'archive';
/** So many megabytes take two verifications many seconds. */
const ARCHIVE_CONTEXTS = 1_500;
const CONTEXT_BYTES = 100_000;

/** PENDING_ACTIVITY_STATE_STARTED */
const STARTED = 2;

const RESTORE_STARTS_MS = 5_000;
/** Of these, 6 s are waits for the host that burnt. */
const RECOVERY_PLANS_MS = 9_000;

let scene: Omit<Scene, 'agent'>;
let archive: DatabaseStack;
let host: DatabaseStack;
let agent: AgentProcess;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openSceneWithoutAgent(shared, { timing: { probeMs: 4_000 } });
  const { stack, namespace } = scene;
  archive = await makeDatabaseStack({ temporalAddress: shared.temporalAddress, namespace });
  host = await makeStandbyHost(stack);
  const databases = { ...stack.plain.databases, [ARCHIVE]: archive.plain.databases[DATABASE] };
  const configFile = join(stack.folder, 'both.yaml');
  await writeFile(configFile, stringify({ ...stack.plain, databases }));
  agent = await scene.startAgent(configFile);
});
afterAll(async () => {
  await host.remove();
  await archive.remove();
  await scene.close();
});

/** Contexts that don't pack. */
async function fillArchive(): Promise<void> {
  const { machine, version } = ORDER_MACHINE;
  const client = await connectRstmdb({ address: archive.address, connectTimeoutMs: 5_000, requestTimeoutMs: 30_000 });
  await putMachine(client, ORDER_MACHINE);
  for (let serial = 0; serial < ARCHIVE_CONTEXTS; serial += 1) {
    const ctxText = JSON.stringify({ text: randomBytes(CONTEXT_BYTES / 2).toString('hex') });
    await createInstance(client, { id: `order-${serial}`, machine, version, ctxText });
  }
  await client.close();
}

type Moments = { scheduledAtMs: number; startedAtMs: number; endedAtMs: number };

/** When a step of an ended run was wanted, taken up and completed. */
async function momentsOf(run: WorkflowHandle, activity: string): Promise<Moments> {
  const events = (await run.fetchHistory()).events ?? [];
  const wanted = events.find((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity);
  const isOfIt = (id: unknown): boolean => String(id) === String(wanted?.eventId);
  const started = events.find((event) => isOfIt(event.activityTaskStartedEventAttributes?.scheduledEventId));
  const ended = events.find((event) => isOfIt(event.activityTaskCompletedEventAttributes?.scheduledEventId));
  const [scheduledAtMs, startedAtMs, endedAtMs] = [wanted, started, ended].map((event) => {
    const { seconds, nanos } = event!.eventTime!;
    return Number(seconds) * 1000 + nanos! / 1e6;
  });
  return { scheduledAtMs: scheduledAtMs!, startedAtMs: startedAtMs!, endedAtMs: endedAtMs! };
}

async function beganAtMs(run: WorkflowHandle): Promise<number> {
  return (await run.describe()).startTime.getTime();
}

/** Of the run's steps, those that an agent has taken up. */
async function stepsAtWork(run: WorkflowHandle): Promise<(string | null | undefined)[]> {
  const { pendingActivities } = (await run.describe()).raw;
  return (pendingActivities ?? []).filter(({ state }) => Number(state) === STARTED).map(({ activityType }) => activityType?.name);
}

it('starts a restore in place within seconds while four long verifications fill their slots', async () => {
  const { temporal, stack } = scene;
  const load = await startLoadWriters({ address: stack.address, writers: 2 });
  await load.acknowledgedAtLeast(50);
  await load.stop();
  await fillArchive();
  await temporal.execute('hotBackup', { database: DATABASE });
  await temporal.execute('hotBackup', { database: ARCHIVE });
  const verifications = await Promise.all([1, 2, 3, 4].map(() => temporal.start('verifyBackup', { database: ARCHIVE })));
  const atWork = async (): Promise<unknown[]> => (await Promise.all(verifications.map(stepsAtWork))).flat();
  await expect.poll(atWork).toEqual(['verifyStoredBackup', 'verifyStoredBackup']);

  const restore = await temporal.start('restore', { database: DATABASE, backup: 'latest' });
  expect(await restore.result()).toMatchObject({ outcome: 'done', rehearsal: 'passed' } satisfies Partial<RestoreResult>);
  const [planned, fetched] = [await momentsOf(restore, 'planRestore'), await momentsOf(restore, 'stageWal')];
  expect(planned.startedAtMs - (await beganAtMs(restore))).toBeLessThan(RESTORE_STARTS_MS);
  expect(fetched.startedAtMs - fetched.scheduledAtMs).toBeLessThan(RESTORE_STARTS_MS);

  for (const verification of verifications) {
    expect(await verification.result()).toMatchObject({ outcome: 'done' } satisfies Partial<VerifyBackupResult>);
    // Else there was nothing that it could have waited for.
    expect((await momentsOf(verification, 'verifyStoredBackup')).endedAtMs).toBeGreaterThan(fetched.startedAtMs);
  }
});

it('begins to plan the recovery of a burnt host within seconds', async () => {
  await scene.startAgent(host.configFile);
  await agent.kill('SIGKILL');
  await scene.stack.service.stop();
  await rm(scene.stack.dataDir, { recursive: true });
  const recovery = await scene.temporal.start('disasterRecovery', { database: DATABASE });
  expect(await recovery.result()).toMatchObject({ outcome: 'done', agent: 'db2' } satisfies Partial<DisasterRecoveryResult>);
  const { scheduledAtMs } = await momentsOf(recovery, 'findCandidates');
  expect(scheduledAtMs - (await beganAtMs(recovery))).toBeLessThan(RECOVERY_PLANS_MS);
});
