import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { backupScheduleId } from '../../../src/contract/names.ts';
import { keepBackupSchedule } from '../../../src/up/up.ts';
import { connectTestClient, type TestClient } from '../../support/run-workflow.ts';
import { makeNamespace } from '../../support/temporal-namespace.ts';

let temporal: TestClient;

beforeAll(async () => {
  const address = inject('temporalAddress');
  temporal = await connectTestClient(address, await makeNamespace(address));
});

afterAll(() => temporal.close());

test.each([2, 1])('lets a run wait for as long as its interval, also after that was changed to %i h', async (hours) => {
  const everyMs = hours * 3_600_000;
  await keepBackupSchedule(temporal.client, { database: 'orders', everyMs });
  const { action, spec } = await temporal.client.schedule.getHandle(backupScheduleId('orders')).describe();
  expect(spec.intervals).toMatchObject([{ every: everyMs }]);
  expect(action).toMatchObject({ memo: { rstowGiveUpMs: everyMs } });
});
