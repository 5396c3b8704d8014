/** What `latest` means on a real server's backups: labels and clocks that contradict the log, and a restore that leaves backups behind. */
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { readBackups } from '../../../src/activities/catalogue/list-backups.ts';
import { inspectLiveDatabase } from '../../../src/activities/recovery/restart-server.ts';
import { findCandidates } from '../../../src/activities/recovery/recovery-candidates.ts';
import { chooseBackup } from '../../../src/activities/verify/verify-backup.ts';
import type { Manifest } from '../../../src/formats/repository/manifest.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../support/database-stack.ts';
import { backUp, type BackUpOptions, directDeps, directRun, restoreInPlace } from '../../support/direct-backup.ts';
import { startLoadWriters } from '../../support/load-writers.ts';

const HOUR_MS = 3_600_000;
let stack: DatabaseStack;

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
});

afterAll(() => stack.remove());

async function write(prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix });
  await load.acknowledgedAtLeast(20);
  await load.stop();
}

async function backUpMore(prefix: string, options: BackUpOptions = {}): Promise<Manifest> {
  await write(prefix);
  return backUp(stack, options);
}

/** Another clock for the time of a test. */
function setClock(aheadMs: number): void {
  const now = vi.spyOn(Date, 'now').mockImplementation(() => Math.floor(performance.timeOrigin + performance.now()) + aheadMs);
  onTestFinished(() => now.mockRestore());
}

async function listed(): Promise<{ inUse: string[]; abandoned: string[]; laterByClock: string[] }> {
  const { backups, laterByClock } = await readBackups(directDeps(stack))({ database: DATABASE, limit: 100 });
  const labelsOf = (isInUse: boolean): string[] => backups.filter((row) => row.isInUse === isInUse).map(({ label }) => label);
  return { inUse: labelsOf(true), abandoned: labelsOf(false), laterByClock };
}

const latest = async (): Promise<string> => (await chooseBackup(directDeps(stack))({ database: DATABASE, backup: 'latest' })).label;

async function recoverable(): Promise<string[]> {
  return (await findCandidates(directDeps(stack))({ database: DATABASE })).usable.map(({ label }) => label);
}

it('takes the backup of a run that began long ago for the newest, if it was made last', async () => {
  const morning = await backUpMore('morning');
  const nightly = await backUpMore('nightly', { startedAtMs: Date.now() - 8 * HOUR_MS });
  expect(nightly.label < morning.label).toBe(true);
  expect(await latest()).toBe(nightly.label);
  expect(await recoverable()).toEqual([nightly.label, morning.label]);
  expect(await listed()).toEqual({ inUse: [nightly.label, morning.label], abandoned: [], laterByClock: [] });
});

it('takes what was made last for the newest although a clock was a day ahead before, and warns of it', async () => {
  setClock(24 * HOUR_MS);
  const ahead = await backUpMore('ahead');
  setClock(0);
  const after = await backUpMore('after');
  expect(after.label < ahead.label).toBe(true);
  expect(await latest()).toBe(after.label);
  expect((await listed()).laterByClock).toEqual([ahead.label]);
});

it('never goes back to what a restore has replaced, with or without a backup of the new history', async () => {
  const good = await backUpMore('good');
  const bad = await backUpMore('bad');
  await restoreInPlace(stack, good.label);
  expect(await latest()).toBe(good.label);
  expect((await listed()).abandoned).toEqual([bad.label]);
  expect(await recoverable()).not.toContain(bad.label);
  const live = await directRun(directDeps(stack))(inspectLiveDatabase, { database: DATABASE });
  expect(live).toEqual({ isUp: true, isAsNew: true });
  const first = await backUp(stack, { startedAtMs: Date.now() - 8 * HOUR_MS });
  expect(await latest()).toBe(first.label);
  expect((await recoverable()).slice(0, 2)).toEqual([first.label, good.label]);
  const target = await findCandidates(directDeps(stack))({ database: DATABASE, target: bad.label });
  expect(target.usable.slice(0, 2).map(({ label }) => label)).toEqual([bad.label, good.label]);
});

it('never goes back to what was backed up while the restore that replaced it waited for approval', async () => {
  const good = await backUpMore('good-before');
  await write('bad-before');
  const askedAtMs = Date.now();
  const backups: Manifest[] = [];
  await restoreInPlace(stack, good.label, { whileItWaits: async () => backups.push(await backUpMore('bad-meanwhile')) });
  const first = await backUp(stack, { startedAtMs: askedAtMs });
  expect(await latest()).toBe(first.label);
  expect((await recoverable()).slice(0, 2)).toEqual([first.label, good.label]);
  expect((await listed()).abandoned).toContain(backups[0]!.label);
});
