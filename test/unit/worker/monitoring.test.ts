import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import { keptSchedules, withBackups } from '../../../src/up/up.ts';
import { createMonitoring } from '../../../src/worker/monitoring.ts';
import { freePort } from '../../support/free-port.ts';

const MINUTE_MS = 60_000;

const database = { server: { address: '127.0.0.1:1' }, dataDir: '/data', repositories: ['local'] };
const databases = {
  orders: database,
  listed: { ...database, schedules: { hotBackup: { everyMs: 60 * MINUTE_MS } } },
  bounded: { ...database, check: { backedUpWithinMs: 5 * MINUTE_MS } },
};

/** As `rstow up` runs an agent. */
async function agesMax(everyMs: number | undefined): Promise<string[]> {
  const listen = `127.0.0.1:${await freePort()}`;
  const config = withBackups(agentConfigSchema.parse({ agent: { http: { listen } }, repositories: {}, databases }), everyMs);
  const logger = pino({ level: 'silent' });
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const monitoring = createMonitoring(config, logger);
  await monitoring.open(ending.signal);
  for (const name of Object.keys(databases)) {
    monitoring.note({ kind: 'ownership-changed', database: name, ownership: 'mine', sentence: 'it owns it' });
  }
  const text = await (await fetch(`http://${listen}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith('rstow_backup_age_max_seconds{'));
}

test('says how old a backup may be by the interval that `up` was given, unless the config lists another', async () => {
  const ages = await agesMax(15 * MINUTE_MS);
  expect(ages.sort()).toEqual([
    'rstow_backup_age_max_seconds{database="bounded"} 300',
    'rstow_backup_age_max_seconds{database="listed"} 7200',
    'rstow_backup_age_max_seconds{database="orders"} 1800',
  ]);
  expect(await agesMax(undefined)).toContain('rstow_backup_age_max_seconds{database="orders"} 172800');
});

test('keeps the schedules that it says so of, and none of what the host stands by for', () => {
  const standby = { ...database, standby: true, schedules: { coldBackup: { cron: '0 3 * * 0' } } };
  const config = agentConfigSchema.parse({ repositories: {}, databases: { ...databases, standby } });
  const kept = keptSchedules(withBackups(config, 15 * MINUTE_MS));
  expect(kept.map(({ database: name, wanted }) => [name, wanted])).toMatchObject([
    ['orders', [{ type: 'hotBackup', time: { everyMs: 15 * MINUTE_MS }, catchUpMs: 60 * MINUTE_MS, input: { reason: 'rstow up' } }]],
    ['listed', [{ type: 'hotBackup', time: { everyMs: 60 * MINUTE_MS }, input: {} }]],
    ['bounded', [{ type: 'hotBackup', time: { everyMs: 15 * MINUTE_MS } }]],
  ]);
  expect(withBackups(config, 15 * MINUTE_MS).databases['standby']?.schedules).not.toHaveProperty('hotBackup');
});
