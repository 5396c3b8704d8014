/**
 * `node scripts/evidence/schedules-month.ts`: a crontab's three lines, hot backups each 6 hours, a cold one each Sunday and expiry each night,
 * as the schedules of a config, on a real server. The days pass in minutes: the planned times set the clock of this process, which runs the recipes
 * without Temporal. What is made and what is left has to be what `rstow schedule apply --dry-run` foretells.
 */
import { randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ownRun } from '../../src/activities/run-port.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { connectRstow } from '../../src/client/rstow-client.ts';
import { PLANNED_MS, type ScheduledType, type WantedSchedule } from '../../src/contract/schedules.ts';
import { parseCron } from '../../src/core/schedule/cron.ts';
import { cronTimes, type Span } from '../../src/core/schedule/planned-times.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import { localEngine } from '../../src/local/local-engine.ts';
import { boundActivities } from '../../src/local/local-run.ts';
import { configSchedules, type Forecast } from '../../src/worker/config-schedules.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { coldBackup } from '../../src/workflows/cold-backup.ts';
import { expireBackups } from '../../src/workflows/expire-backups.ts';
import { hotBackup } from '../../src/workflows/hot-backup.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../test/support/database-stack.ts';
import { startTemporalServer } from '../../test/support/temporal-server.ts';

const KEEP_DAYS = 7;
const ORDERS_EACH = 20;
/** How far the log that a backup holds may be from the files of `wal/` at its time. */
const SIZE_TOLERANCE = 0.05;

const SCHEDULES = { hotBackup: { cron: '0 */6 * * *' }, coldBackup: { cron: '0 3 * * 0' }, expireBackups: { cron: '0 4 * * *' } };

type Due = { type: ScheduledType; atMs: number };
type Made = Due & { label: string; /** Of the server's log then. */ logBytes: number };

const realNow = Date.now.bind(Date);
const broken: string[] = [];
const expectSame = (what: string, found: unknown, wanted: unknown): void => {
  const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)];
  console.log(`${what}: ${left}`);
  if (left !== right) broken.push(`${what}: ${left}, not ${right}`);
};

const startedAtMs = realNow();
const temporal = await startTemporalServer();
const database = { schedules: SCHEDULES, retention: { keepDays: KEEP_DAYS } };
const stack = await makeDatabaseStack({ temporalAddress: temporal.address, database });
try {
  await liveThrough(stack);
} finally {
  Date.now = realNow;
  await stack.remove();
  await temporal.stop();
}
console.log(`30 days in ${Math.round((realNow() - startedAtMs) / 1000)} s, ${broken.length} broken promises`);
for (const promise of broken) console.log(promise);
process.exitCode = broken.length === 0 ? 0 : 1;

async function liveThrough({ configFile, address, walDir, repositoryDir }: DatabaseStack): Promise<void> {
  const [listed] = await configSchedules(configFile, DATABASE);
  if (listed === undefined) throw new Error(`${configFile} has no ${DATABASE}`);
  const { schedules: wanted, forecast } = listed;
  const span: Span = { afterMs: forecast.untilMs - PLANNED_MS, untilMs: forecast.untilMs };
  const dues = wanted.flatMap((schedule) => duesOf(schedule, span)).toSorted((one, other) => one.atMs - other.atMs);
  expectSame('runs as the dry run counts them', countsOf(dues), await dryRun(wanted));
  const made: Made[] = [];
  for (const due of dues) {
    await write(address, due.atMs);
    const beganAtMs = realNow();
    Date.now = () => due.atMs + realNow() - beganAtMs;
    const label = await run(configFile, due.type);
    if (label !== undefined) made.push({ ...due, label, logBytes: await sizeOf(walDir) });
  }
  await compare(configFile, { forecast, made });
  console.log(`the repository has ${await sizeOf(repositoryDir)} bytes, the log ${await sizeOf(walDir)}`);
}

/** How many runs of each type the next 30 days have. */
async function dryRun(wanted: readonly WantedSchedule[]): Promise<Record<string, number>> {
  const rstow = await connectRstow({ address: temporal.address });
  try {
    const changes = await rstow.schedules(DATABASE).apply(wanted, { isDry: true });
    return Object.fromEntries(changes.map(({ type, runsPlanned }) => [type, runsPlanned]));
  } finally {
    await rstow.close();
  }
}

function duesOf({ type, time, timeZone }: WantedSchedule, span: Span): Due[] {
  const parsed = parseCron('cron' in time ? time.cron : '');
  return 'fault' in parsed ? [] : cronTimes(parsed.cron, timeZone, span).map((atMs) => ({ type, atMs }));
}

function countsOf(dues: readonly Due[]): Record<string, number> {
  return Object.fromEntries(Object.keys(SCHEDULES).map((type) => [type, dues.filter((due) => due.type === type).length]));
}

async function write(address: string, atMs: number): Promise<void> {
  const client = await connectRstmdb({ address, connectTimeoutMs: 5_000, requestTimeoutMs: 30_000 });
  try {
    await putMachine(client, ORDER_MACHINE);
    for (let serial = 0; serial < ORDERS_EACH; serial += 1) {
      const ctxText = JSON.stringify({ serial, note: randomUUID() });
      await createInstance(client, { id: `order-${atMs}-${serial}`, machine: 'order', version: 1, ctxText });
    }
  } finally {
    await client.close();
  }
}

/** The recipe as it is, by this process alone and its clock. */
async function run(configFile: string, type: ScheduledType): Promise<string | undefined> {
  const deps = await localDeps(configFile);
  await databaseOwnership(deps, DATABASE);
  const runId = randomUUID();
  const engine = localEngine({ type, database: DATABASE, runId, verbs: boundActivities(deps, ownRun(runId)), phase: () => undefined });
  if (type === 'hotBackup') return (await hotBackup({ database: DATABASE }, engine)).label;
  if (type === 'coldBackup') return (await coldBackup({ database: DATABASE }, engine)).label;
  await expireBackups({ database: DATABASE, apply: true }, engine);
  return undefined;
}

async function compare(configFile: string, { forecast, made }: { forecast: Forecast; made: readonly Made[] }): Promise<void> {
  const store = await (await localDeps(configFile)).openStore(DATABASE);
  const backups = await store.backups.selectable();
  const stays = forecast.kept.flatMap(({ kind, atMs }) => made.filter((one) => one.type === `${kind}Backup` && one.atMs === atMs));
  expectSame('backups made', made.length, forecast.made);
  expectSame('backups foretold to be left', stays.length, forecast.kept.length);
  expectSame('backups left', backups.map(({ label }) => label).toSorted(), stays.map(({ label }) => label).toSorted());
  const manifests = new Map(await Promise.all(backups.map(async ({ label }) => [label, await store.backups.read(label)] as const)));
  const ageMin = (atMs = 0): number => Math.round((forecast.untilMs - atMs) / 60_000);
  const ages = stays.map(({ label }) => ageMin(manifests.get(label)?.createdAtMs));
  const foretold = forecast.kept.map(({ atMs }) => ageMin(atMs));
  expectSame('their ages in the end, in minutes', ages, foretold);
  const off = stays.map(({ label, logBytes }) => Math.abs(logBytesOf(manifests.get(label)) / logBytes - 1));
  console.log(`the log in each is off by at most ${(100 * Math.max(0, ...off)).toFixed(2)} % of what wal/ had`);
  expectSame(
    `of another size than wal/ had, by more than ${100 * SIZE_TOLERANCE} %`,
    off.filter((part) => part > SIZE_TOLERANCE).length,
    0,
  );
}

function logBytesOf(manifest: Manifest | undefined): number {
  return (manifest?.segments ?? []).reduce((sum, { ranges }) => sum + (ranges.at(-1)?.endBytes ?? 0), 0);
}

async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder, { withFileTypes: true, recursive: true });
  const sizes = files.filter((file) => file.isFile()).map(async (file) => (await stat(join(file.parentPath, file.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
