/** What a repository costs whose requests are paid for: real server, real verbs, every request counted. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeProtection } from '../../src/activities/catalogue/describe-protection.ts';
import { readBackups } from '../../src/activities/catalogue/list-backups.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { checkDatabase } from '../../src/workflows/check-database.ts';
import { hotBackup } from '../../src/workflows/hot-backup.ts';
import { restore } from '../../src/workflows/restore.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { type Calls, countedRepository, openedAs } from '../support/counted-repository.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { directDeps, directEngine } from '../support/direct-backup.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { writeTally } from '../support/tally.ts';

let folder: string;
let stack: DatabaseStack;
let deps: ActivityDeps;
let calls: Calls;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-costs-'));
  const configFile = join(folder, 'rstmdb.yaml');
  await writeFile(configFile, 'storage:\n  data_dir: /var/lib/rstmdb\n');
  stack = await makeDatabaseStack({ temporalAddress: '127.0.0.1:1', server: { configFiles: [configFile] } });
  const counted = countedRepository();
  calls = counted.calls;
  deps = directDeps(stack, openedAs(counted.repository));
});

afterAll(async () => {
  await stack.remove();
  await rm(folder, { recursive: true });
});

async function write(count: number): Promise<void> {
  const client = await connectRstmdb({ address: stack.address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
  await writeTally(client, `t-${count}`, 20);
  await client.close();
}

let backups = 0;

/** Two that begin in one second would want one label. */
async function backUp(): Promise<unknown> {
  const startedAtMs = Date.now() + 60_000 * (backups += 1);
  return hotBackup({ database: DATABASE }, directEngine({ deps, type: 'hotBackup', now: () => startedAtMs }));
}

/** How many requests something has cost that is done now. */
async function costOf(work: () => Promise<unknown>): Promise<number> {
  calls.taken();
  await work();
  return calls.taken().length;
}

test('a backup with nothing new costs at most 12 requests, and one with a new piece 14', async () => {
  await write(1);
  await databaseOwnership(deps, DATABASE);
  await backUp();
  expect(await costOf(backUp)).toBeLessThanOrEqual(12);
  await write(2);
  expect(await costOf(backUp)).toBeLessThanOrEqual(14);
});

test('what people ask for costs a few', async () => {
  expect(await costOf(() => readBackups(deps)({ database: DATABASE, limit: 100 }))).toBeLessThanOrEqual(8);
  expect(await costOf(() => describeProtection(deps)({ database: DATABASE }))).toBeLessThanOrEqual(21);
  expect(await costOf(() => checkDatabase({ database: DATABASE }, directEngine({ deps, type: 'checkDatabase' })))).toBeLessThanOrEqual(28);
});

test('a restore costs a request for each piece, and a few more', async () => {
  const to = { dataDir: join(stack.folder, 'restored') };
  const restored = (): Promise<unknown> => restore({ database: DATABASE, backup: 'latest', to }, directEngine({ deps, type: 'restore' }));
  // One of them lists the timelines, unless that was done some seconds ago.
  expect(await costOf(restored)).toBeLessThanOrEqual(9);
});
