/** Schedules of a config on a real Temporal. No agent is there: a run that is started stays open. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScheduleDescription } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ConnectedClient, connectRstow } from '../../src/client/rstow-client.ts';
import { scheduleId } from '../../src/contract/names.ts';
import type { ScheduledType, WantedSchedule } from '../../src/contract/schedules.ts';
import { cronTimes } from '../../src/core/schedule/planned-times.ts';
import { parseCron } from '../../src/core/schedule/cron.ts';
import { rstow as command, summaryOf } from '../support/rstow-command.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const EVERY_MS = 10_000;
const PATIENCE_MS = 120_000;

let server: TemporalServer;
let rstow: ConnectedClient;

beforeAll(async () => {
  server = await startTemporalServer();
  rstow = await connectRstow({ address: server.address });
});

afterAll(async () => {
  await rstow.close();
  await server.stop();
});

const scheduleOf = (type: ScheduledType, time: WantedSchedule['time'], more: Partial<WantedSchedule> = {}): WantedSchedule => {
  return { type, time, timeZone: 'UTC', jitterMs: 0, catchUpMs: HOUR_MS, paused: false, input: {}, ...more };
};

const describeSchedule = (database: string, type: ScheduledType): Promise<ScheduleDescription> =>
  rstow.temporal.schedule.getHandle(scheduleId(database, type)).describe();

test('makes what is listed, and a second time changes nothing', async () => {
  const orders = rstow.schedules('orders');
  const wanted = [
    scheduleOf('hotBackup', { cron: '0 */6 * * *' }),
    scheduleOf('coldBackup', { cron: '0 3 * * 0' }, { timeZone: 'Europe/Berlin', jitterMs: 60_000 }),
    scheduleOf('verifyBackup', { cron: '0 5 * * SAT' }, { input: { level: 'bytes' }, paused: true }),
    scheduleOf(
      'testRecovery',
      { cron: '0 6 1 JAN-DEC *' },
      { input: { backup: 'random', assertions: { counts: [{ machine: 'order', min: 1 }] } } },
    ),
    scheduleOf('checkDatabase', { everyMs: 60_000 }, { jitterMs: 5_000 }),
  ];
  const dry = await orders.apply(wanted, { isDry: true });
  expect(dry.map(({ kind }) => kind)).toEqual(Array(5).fill('made'));
  expect(await orders.list()).toEqual([]);
  expect(await orders.apply(wanted)).toMatchObject(dry.map(({ id, type, kind }) => ({ id, type, kind })));
  const before = await describeSchedule('orders', 'hotBackup');
  const again = await orders.apply(wanted);
  expect(again.map(({ kind, fields }) => ({ kind, fields }))).toEqual(Array(5).fill({ kind: 'same', fields: [] }));
  expect((await describeSchedule('orders', 'hotBackup')).info.lastUpdatedAt).toEqual(before.info.lastUpdatedAt);
});

test('names the field that a changed config differs in, and what is no longer listed', async () => {
  const orders = rstow.schedules('orders');
  const hourly = scheduleOf('hotBackup', { cron: '0 * * * *' }, { timeZone: 'Asia/Tokyo' });
  const changes = await orders.apply([hourly]);
  expect(changes[0]).toMatchObject({
    kind: 'changed',
    fields: [
      { name: 'cron', from: '0 */6 * * *', to: '0 * * * *' },
      { name: 'timeZone', from: 'UTC', to: 'Asia/Tokyo' },
    ],
  });
  expect(changes.slice(1).map(({ kind }) => kind)).toEqual(Array(4).fill('unlisted'));
  expect(await orders.list()).toHaveLength(5);
  const pruned = await orders.apply([hourly], { prunes: true });
  expect(pruned.map(({ kind }) => kind)).toEqual(['same', 'removed', 'removed', 'removed', 'removed']);
  expect((await orders.list()).map(({ type }) => type)).toEqual(['hotBackup']);
});

test('plans the runs that Temporal does, also where clocks are changed', async () => {
  for (const [database, cron, timeZone] of [
    ['seed', '0 */6 * * *', 'UTC'],
    ['cold', '0 3 * * 0', 'Europe/Berlin'],
    ['new-york', '30 1,2 * MAR,NOV SUN', 'America/New_York'],
    ['kathmandu', '*/20 4-5 1 * *', 'Asia/Kathmandu'],
  ] as const) {
    await rstow.schedules(database).apply([scheduleOf('hotBackup', { cron }, { timeZone })]);
    const next = (await describeSchedule(database, 'hotBackup')).info.nextActionTimes.map((time) => time.getTime());
    const parsed = parseCron(cron);
    if ('fault' in parsed) throw new Error(parsed.fault);
    const nowMs = Date.now();
    const planned = cronTimes(parsed.cron, timeZone, { afterMs: nowMs, untilMs: nowMs + 400 * DAY_MS });
    expect(next.length).toBeGreaterThan(5);
    expect(planned.slice(0, next.length), `${cron} ${timeZone}`).toEqual(next);
  }
});

test('leaves alone what it has not made, and a pause of an operator’s', async () => {
  await rstow.temporal.schedule.create({
    scheduleId: scheduleId('foreign', 'hotBackup'),
    spec: { intervals: [{ every: '1 day' }] },
    action: { type: 'startWorkflow', workflowType: 'hotBackup', taskQueue: 'rstow', args: [{ database: 'foreign' }] },
  });
  const foreign = rstow.schedules('foreign');
  const hourly = scheduleOf('hotBackup', { everyMs: HOUR_MS });
  expect(await foreign.apply([hourly], { prunes: true })).toMatchObject([{ kind: 'foreign' }]);
  expect(await foreign.apply([], { prunes: true })).toMatchObject([{ kind: 'foreign' }]);
  expect(await foreign.list()).toMatchObject([{ isOwn: false, everyMs: DAY_MS }]);
  await expect(foreign.remove('hotBackup')).rejects.toMatchObject({ code: 'invalid-input', message: /was not made from a config/ });
  await expect(foreign.pause('coldBackup', 'why')).rejects.toMatchObject({
    code: 'invalid-input',
    message: /there is no schedule of coldBackup/,
  });

  const paused = rstow.schedules('paused');
  await paused.apply([hourly]);
  await paused.pause('hotBackup', 'the disk is exchanged');
  expect(await paused.apply([scheduleOf('hotBackup', { everyMs: 2 * HOUR_MS })])).toMatchObject([
    { kind: 'changed', fields: [{ name: 'everyMs' }] },
  ]);
  expect(await paused.list()).toMatchObject([{ isPaused: true, note: 'the disk is exchanged', everyMs: 2 * HOUR_MS }]);
  const [before] = await paused.list();
  await paused.resume('hotBackup');
  const [resumed] = await paused.list();
  expect(resumed).toMatchObject({ isPaused: false, note: undefined, everyMs: 2 * HOUR_MS, isOwn: true });
  expect(resumed?.changedAtMs).toBeGreaterThan(before?.changedAtMs ?? 0);
  expect(await paused.apply([scheduleOf('hotBackup', { everyMs: 2 * HOUR_MS })])).toMatchObject([{ kind: 'same' }]);
});

test('skips a run while one is going, and starts none by hand then', { timeout: 2 * PATIENCE_MS }, async () => {
  const busy = rstow.schedules('busy');
  await busy.apply([scheduleOf('hotBackup', { everyMs: EVERY_MS })]);
  await waitUntil('a run was skipped', async () => ((await busy.list())[0]?.skipped ?? 0) > 0, PATIENCE_MS);
  const [state] = await busy.list();
  expect(state).toMatchObject({ started: 1, missed: 0, openWorkflowId: state?.lastWorkflowId });
  expect(state?.openWorkflowId).toMatch(/^rstow\/busy\/hotBackup\/scheduled-/);
  await expect(busy.run('hotBackup')).rejects.toMatchObject({ code: 'busy' });
  await busy.remove('hotBackup');
  expect(await busy.list()).toEqual([]);
});

test('applies a config file by command, shows it, pauses, resumes, runs and removes', { timeout: 2 * PATIENCE_MS }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-schedules-'));
  const file = join(folder, 'rstow.yaml');
  const at = ['--address', server.address];
  const apply = (...more: string[]) => command(['schedule', 'apply', 'shop', '--config', file, ...at, ...more]);
  try {
    await writeFile(file, configOf("{ hotBackup: { cron: '0 */6 * * *' }, coldBackup: { cron: '0 3 * * 0', paused: true } }"));
    const dry = await apply('--dry-run');
    expect(dry).toMatchObject({ exitCode: 0 });
    const changes = 'made rstow-shop-hotBackup: 120 runs in the next 30 days\nmade rstow-shop-coldBackup: 0 runs in the next 30 days\n';
    expect(dry.stdout).toBe(`${changes}in 30 days: 120 backups made, 120 of them left (120 hot), the oldest 29 days old\n`);
    expect((await apply()).stdout).toBe(changes);
    expect(summaryOf(await apply('--json'))).toMatchObject({ changes: [{ kind: 'same' }, { kind: 'same' }] });
    await writeFile(file, configOf("{ hotBackup: { cron: '0 * * * *' } }"));
    const changed = (await apply()).stdout;
    expect(changed).toContain('changed rstow-shop-hotBackup: 720 runs in the next 30 days\n  cron: 0 */6 * * * -> 0 * * * *\n');
    expect(changed).toContain('unlisted rstow-shop-coldBackup: the config does not list it');
    expect(await command(['schedule', 'pause', 'shop', 'hotBackup', '--reason', 'new disk', ...at])).toMatchObject({ exitCode: 0 });
    const listed = (await command(['schedule', 'list', 'shop', ...at])).stdout;
    expect(listed).toMatch(/^next +paused: new disk \(/m);
    expect(listed).toMatch(/^next +paused: paused in the config file$/m);
    for (const verb of ['resume', 'run', 'remove']) {
      expect(await command(['schedule', verb, 'shop', 'hotBackup', ...at])).toMatchObject({ exitCode: 0 });
    }
    const gone = await command(['schedule', 'resume', 'shop', 'hotBackup', ...at]);
    expect(gone.stderr).toMatch(/^error: invalid-input: there is no schedule of hotBackup for "shop"\nhint: `rstow schedule list shop`/);
    const misspelt = [['list'], ['pause', 'hotBackup', '--reason', 'x'], ['run', 'hotBackup']].map(([verb = '', ...more]) =>
      command(['schedule', verb, 'shpo', ...more, ...at], { RSTOW_CONFIG: file }),
    );
    for (const { exitCode, stdout, stderr } of await Promise.all(misspelt)) {
      expect({ exitCode, stdout }).toEqual({ exitCode: 10, stdout: '' });
      expect(stderr).toMatch(/^error: unknown-database: .* knows database "shpo"; did you mean "shop"\?\nhint: Known are: .*shop/);
    }
    const unknown = await command(['schedule', 'run', 'shop', 'hotBackups', ...at]);
    expect(unknown).toMatchObject({ exitCode: 2 });
    expect(unknown.stderr).toMatch(/^error: invalid-input: .*hotBackups.*\nhint: /);
  } finally {
    await rm(folder, { recursive: true });
  }
});

function configOf(schedules: string): string {
  const shop = `{ server: { address: '127.0.0.1:7401' }, dataDir: /data, repositories: [local], schedules: ${schedules} }`;
  return `repositories: { local: { kind: folder, path: /backups } }\ndatabases: { shop: ${shop} }\n`;
}
