import { pino } from 'pino';
import { expect, test } from 'vitest';
import { type Pending, withoutDelivered } from '../../../../src/core/alerts/outbox.ts';
import { createDelivery } from '../../../../src/worker/watch/alert-delivery.ts';

test('says of an alert that was delivered, and can’t be noted so, that it may come twice, and goes on with the next', async () => {
  const noticeOf = (id: string): Pending => ({ notice: { id, agent: 'db1', database: 'orders', atMs: 1, changes: [] }, targets: ['chat'] });
  let outbox = ['one', 'two'].map(noticeOf);
  const sent: string[] = [];
  const lines: string[] = [];
  const delivery = createDelivery({
    targets: new Map([
      [
        'chat',
        {
          send: async ({ id }) => {
            sent.push(id);
            return Promise.resolve(undefined);
          },
        },
      ],
    ]),
    outbox: () => outbox,
    delivered: async ({ id }, target) => {
      outbox = withoutDelivered(outbox, { id, target });
      return Promise.reject(new Error('the disk is full'));
    },
    database: 'orders',
    logger: pino({}, { write: (line) => void lines.push(line) }),
    signal: new AbortController().signal,
  });
  delivery.start();
  await delivery.ended();
  expect(sent).toEqual(['one', 'two']);
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toContain('an alert is delivered, and may be once more');
});
