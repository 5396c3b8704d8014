import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/activities/live-digest.ts';
import { serviceOf } from '../../src/activities/managed-service.ts';
import { agentConfigSchema, type DatabaseConfig } from '../../src/config/agent-config.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { recoveryWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { makeStandbyHost, type StandbyHost } from '../support/standby-host.ts';
import { connectTestClient, type TestClient } from '../support/run-workflow.ts';

void rm; void join; void serviceOf; void agentConfigSchema; void recoveryWorkflowId; void WORKFLOW_QUEUE; void afterEach; void beforeEach; void describe;
export type _Unused = DatabaseConfig;

let stack: DatabaseStack;
let first: AgentProcess;
let temporal: TestClient;
let host: StandbyHost;
let second: AgentProcess;

beforeAll(async () => {
  const temporalAddress = inject('temporalAddress');
  stack = await makeDatabaseStack({ temporalAddress, segmentSizeMb: 1 });
  first = await startAgent({ configFile: stack.configFile, workflowBundlePath: inject('workflowBundlePath') });
  temporal = await connectTestClient(temporalAddress);
  host = await makeStandbyHost(stack);
  second = await startAgent({ configFile: host.configFile, workflowBundlePath: inject('workflowBundlePath') });
});

afterAll(async () => {
  await temporal.close();
  await first.kill('SIGKILL');
  await second.kill();
  await host.remove();
  await stack.remove();
});

it('says that nothing is needed while the database is up', async () => {
  const load = await startLoadWriters({ address: stack.address, writers: 4 });
  await load.acknowledgedAtLeast(1500);
  await load.stop();
  await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const result = await temporal.execute<DisasterRecoveryResult>('disasterRecovery', { database: DATABASE });
  expect(result.outcome).toBe('not-needed');
});

it('brings the database up on the standby host after the first host and its disk are gone', async () => {
  const backup = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  await first.kill('SIGKILL');
  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  const result = await temporal.execute<DisasterRecoveryResult>('disasterRecovery', { database: DATABASE });
  console.log(result);
  expect(result).toMatchObject({ outcome: 'done', agent: 'db2', generation: 2, timeline: '0002', stateDigest: backup.stateDigest, skipped: [] });
  expect(result.lost).toMatchObject({ knownRecords: 0 });
  const live = await liveDigest(host.settings, stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(backup.stateDigest);
});
