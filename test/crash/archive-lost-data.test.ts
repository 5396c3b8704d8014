import { expect, inject, it, onTestFinished } from 'vitest';
import { openArchivedHost } from '../support/archived-host.ts';
import { loseData, LOSS_MS_MAX } from '../support/lost-data.ts';

const moments = Array.from({ length: 3 }, () => Math.round(3_000 + Math.random() * 5_000));

it.each(moments)('brings back all but the last second and a half of a host that is lost after %i ms of writes', async (afterMs) => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  const host = await openArchivedHost(shared, { segmentSizeMb: 1 });
  onTestFinished(() => host.close());
  const { lossMs, promised } = await loseData(host, afterMs);
  expect(promised).toBeGreaterThan(0);
  expect(lossMs).toBeLessThanOrEqual(LOSS_MS_MAX);
});
