import { expect, test } from 'vitest';
import { wantedSchedules } from '../../../src/config/schedules.ts';
import { parseConfig } from '../../../src/worker/load-config.ts';

const HOUR_MS = 3_600_000;

function schedulesOf(schedules: string) {
  const orders = `{ server: { address: '127.0.0.1:7401' }, dataDir: /data, repositories: [local], schedules: ${schedules} }`;
  const config = parseConfig('rstow.yaml', `repositories: { local: { kind: folder, path: /backups } }\ndatabases: { orders: ${orders} }\n`);
  return wantedSchedules(config.databases['orders']?.schedules ?? {});
}

test('schedules nothing that is not listed, and what is listed in UTC, with an interval to catch up', () => {
  expect(schedulesOf('{}')).toEqual([]);
  const defaults = { timeZone: 'UTC', jitterMs: 0, paused: false };
  expect(schedulesOf("{ testRecovery: { everyMs: 86400000, input: { backup: random } }, hotBackup: { cron: '0 */6 * * *' } }")).toEqual([
    { type: 'hotBackup', time: { cron: '0 */6 * * *' }, ...defaults, catchUpMs: 6 * HOUR_MS, input: {} },
    { type: 'testRecovery', time: { everyMs: 86_400_000 }, ...defaults, catchUpMs: 24 * HOUR_MS, input: { backup: 'random' } },
  ]);
});

test('catches up within an hour at least, and a cold backup, which stops the server, within an hour at most', () => {
  const cron = { hotBackup: "{ cron: '*/15 * * * *' }", coldBackup: "{ cron: '0 3 * * 0' }", verifyBackup: "{ cron: '0 5 * * 6' }" };
  const texts = Object.entries(cron).map(([type, text]) => `${type}: ${text}`);
  expect(schedulesOf(`{ ${texts.join(', ')} }`).map(({ catchUpMs }) => catchUpMs / HOUR_MS)).toEqual([1, 1, 7 * 24]);
  expect(schedulesOf("{ coldBackup: { cron: '0 3 * * 0', catchUpMs: 86400000 } }")[0]?.catchUpMs).toBe(24 * HOUR_MS);
});

test.each([
  ["{ hotBackups: { cron: '0 3 * * *' } }", 'schedules.hotBackups is unknown; did you mean "hotBackup"?'],
  ["{ hotBackup: { cron: '0 25 * * *' } }", 'schedules.hotBackup.cron has the hour "25", which must be made of numbers from 0 to 23'],
  ["{ hotBackup: { cron: '0 3 * * *', timeZone: Europe/Berln } }", 'schedules.hotBackup.timeZone must be the name of a time zone, such as'],
  ['{ hotBackup: {} }', 'schedules.hotBackup must have either cron or everyMs'],
  ["{ hotBackup: { cron: '0 3 * * *', everyMs: 60000 } }", 'schedules.hotBackup must have either cron or everyMs'],
  ['{ hotBackup: { everyMs: 10 } }', 'schedules.hotBackup.everyMs must be at least 10000'],
  ["{ verifyBackup: { cron: '0 3 * * *', input: { level: deep } } }", 'input is no input of verifyBackup: field "level" must be one of'],
  ["{ hotBackup: { cron: '0 3 * * *', input: { database: other } } }", 'input must not name a database'],
])('names what is wrong with %s', (schedules, sentence) => {
  expect(() => schedulesOf(schedules)).toThrow(
    expect.objectContaining({ code: 'invalid-config', message: expect.stringContaining(sentence) as string }) as Error,
  );
});
