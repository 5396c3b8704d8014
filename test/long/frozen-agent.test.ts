import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { DATABASE } from '../support/database-stack.ts';

import { freezeProcess } from '../support/freeze-process.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

let scene: Scene;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  // So slow that the agent can be frozen while it waits for that server.
  const rehearsal = { command: ['sh', '-c', `sleep 3; exec ${toolPath('rstmdb')}`] };
  scene = await openScene(shared, { database: { rehearsal } });
  const load = await startLoadWriters({ address: scene.stack.address, writers: 2 });
  await load.acknowledgedAtLeast(200);
  await load.stop();
});
afterAll(() => scene.close());

it('an agent that is frozen in a rehearsal, for longer than its heartbeat may be missed, restores soundly when it goes on', async () => {
  const { agent, stack, temporal } = scene;
  await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const run = await temporal.start('restore', { database: DATABASE, backup: 'latest' });
  const { runId } = await run.describe();
  const rehearsing = join(stack.dataDir, '.rstow', 'restores', runId, 'rehearsal');
  await waitUntil('the rehearsal has begun', async () => (await readdir(rehearsing).catch(() => [])).length > 0);
  await freezeProcess(agent.pid);
  await sleep(3 * (stack.config.timing.heartbeatMs + 500));
  process.kill(agent.pid, 'SIGCONT');
  expect((await run.result()) as RestoreResult).toMatchObject({ outcome: 'done', rehearsal: 'passed', warnings: [] });
  const { events } = await run.fetchHistory();
  const attempts = (events ?? []).map(({ activityTaskStartedEventAttributes: started }) => started?.attempt ?? 0);
  expect(Math.max(...attempts)).toBeGreaterThan(1);
});
