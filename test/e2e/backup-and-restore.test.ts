import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/activities/live-digest.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { connectTestClient, type TestClient } from '../support/run-workflow.ts';

let stack: DatabaseStack;
let agent: AgentProcess;
let temporal: TestClient;

beforeAll(async () => {
  const temporalAddress = inject('temporalAddress');
  stack = await makeDatabaseStack({ temporalAddress });
  agent = await startAgent({ configFile: stack.configFile, workflowBundlePath: inject('workflowBundlePath') });
  temporal = await connectTestClient(temporalAddress);
});

afterAll(async () => {
  await temporal.close();
  await agent.kill();
  await stack.remove();
});

it('backs up under load, loses everything, and gets the same state back', async () => {
  const load = await startLoadWriters({ address: stack.address, writers: 8 });
  await load.acknowledgedAtLeast(2000);
  const first = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  await load.stop();
  const second = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const third = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  console.log(first, second, third);
  expect(third).toMatchObject({ outcome: 'done', piecesStored: 0, bytesStored: 0, stateDigest: second.stateDigest });
  const verified = await temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE });
  console.log(verified);

  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  const restored = await temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' });
  console.log(restored);
  const live = await liveDigest(stack.settings, stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(third.stateDigest);
  expect(restored.dataDir).toBe(join(stack.folder, 'data'));
});
