import { expect, test } from 'vitest';
import { isBearer, requestsOf } from '../../../../src/worker/http/recovery-webhook.ts';

type Alert = { status?: string; alertname?: string; rstow_database?: string };

/** As Alertmanager 0.25 posts it. */
function post(...alerts: Alert[]): string {
  const common = { receiver: 'rstow', status: 'firing', groupKey: '{}:{}', truncatedAlerts: 0, version: '4', externalURL: 'http://a:9093' };
  const full = alerts.map(({ status = 'firing', ...labels }) => {
    const times = { startsAt: '2026-11-24T10:00:00Z', endsAt: '0001-01-01T00:00:00Z' };
    return { status, labels, annotations: {}, ...times, generatorURL: '', fingerprint: '0123' };
  });
  return JSON.stringify({ ...common, alerts: full, groupLabels: {}, commonLabels: {}, commonAnnotations: {} });
}

test('makes one request of all firing alerts of a database, and passes over the others', () => {
  const requests = requestsOf(
    post(
      { alertname: 'Gone', rstow_database: 'orders' },
      { alertname: 'ReadsFail', rstow_database: 'orders' },
      { rstow_database: 'users' },
      { alertname: 'Gone', rstow_database: 'carts', status: 'resolved' },
      { alertname: 'DiskFull' },
    ),
  );
  expect(requests).toEqual({
    inputs: [
      { database: 'orders', requestedBy: 'alertmanager', reason: 'Gone, ReadsFail' },
      { database: 'users', requestedBy: 'alertmanager', reason: 'unnamed alert' },
    ],
    refused: [],
  });
});

test('refuses a name that no database can have, and still asks for the others', () => {
  const requests = requestsOf(post({ rstow_database: '../orders' }, { rstow_database: 'users' }));
  expect(requests?.inputs.map(({ database }) => database)).toEqual(['users']);
  expect(requests?.refused).toEqual([{ database: '../orders', reason: expect.stringContaining('field "database"') as string }]);
});

test.each(['', 'null', '[]', '{"alerts": 1}', '{"alerts": [{"labels": {}}]}', '{"alerts": [{"status": "firing", "labels": {"a": 1}}]}'])(
  'takes %j for nothing of Alertmanager’s',
  (text) => {
    expect(requestsOf(text)).toBeUndefined();
  },
);

test('takes the very token only', () => {
  expect(isBearer('Bearer s3cret', 's3cret')).toBe(true);
  expect(isBearer('bearer  s3cret', 's3cret')).toBe(true);
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 's3cret', 'Basic s3cret', 'Bearer s3cre', 'Bearer s3cret2', 'Bearer S3cret']) {
    expect(isBearer(header, 's3cret')).toBe(false);
  }
});
