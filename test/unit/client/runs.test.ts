import { expect, it } from 'vitest';
import { shortName } from '../../../src/client/runs.ts';

it('names a run of its own by eight digits of its id', () => {
  const workflowId = 'rstow/orders/hotBackup/b171c670-7e77-4978-8c77-27797b08211d';
  expect(shortName({ workflowId, runId: '01a22667-f41b-7609-8a55-fb3c0837f2bc' })).toBe('b171c670');
});

it('tells runs of the same minute apart that have no id of their own', () => {
  const runIds = ['01a22667-5d1f-7609-8a55-fb3c0837f2bc', '01a22667-61a4-7b07-9463-5e173f140cb6'];
  const names = runIds.map((runId) => shortName({ workflowId: 'rstow-orders-hotBackup', runId }));
  expect(names).toEqual(['01a22667-5d1f', '01a22667-61a4']);
});
