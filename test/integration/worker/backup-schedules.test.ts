import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { backupScheduleId } from '../../../src/contract/names.ts';
import { rstowClient } from '../../../src/client/rstow-client.ts';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import { keptSchedules, withBackups } from '../../../src/up/up.ts';
import { connectTestClient, type TestClient } from '../../support/run-workflow.ts';
import { makeNamespace } from '../../support/temporal-namespace.ts';

const CONFIG = agentConfigSchema.parse({
  repositories: {},
  databases: { orders: { server: { address: '127.0.0.1:7401' }, dataDir: '/data', repositories: ['local'] } },
});

let temporal: TestClient;

beforeAll(async () => {
  const address = inject('temporalAddress');
  temporal = await connectTestClient(address, await makeNamespace(address));
});

afterAll(() => temporal.close());

test.each([2, 1])('lets a run wait for as long as its interval, also after that was changed to %i h', async (hours) => {
  const everyMs = hours * 3_600_000;
  for (const { database, wanted } of keptSchedules(withBackups(CONFIG, everyMs))) {
    await rstowClient(temporal.client).schedules(database).apply(wanted);
  }
  const { action, spec } = await temporal.client.schedule.getHandle(backupScheduleId('orders')).describe();
  expect(spec.intervals).toMatchObject([{ every: everyMs }]);
  expect(action).toMatchObject({ memo: { rstowGiveUpMs: everyMs } });
});
