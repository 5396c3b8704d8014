import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { surveyData } from '../../src/activities/data/survey-data.ts';
import { planRestore } from '../../src/activities/restore/plan-restore.ts';
import { stageWal, type StagedWal } from '../../src/activities/restore/stage-wal.ts';
import { nameSwap, rollBack, swapIn, type SwapInput } from '../../src/activities/restore/swap-in.ts';
import type { RunPort } from '../../src/activities/run-port.ts';
import { type SegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { restorePaths } from '../../src/io/data-directory/restores.ts';
import { agedLog, agedSource } from '../support/aged-log.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { directDeps, newRun } from '../support/direct-backup.ts';
import { writeOrders } from '../support/odd-source.ts';

/** The file names of a log, sorted. */
const filesIn = async (walDir: string): Promise<string[]> => (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort();

type Planned = Omit<SwapInput, 'swap'>;

async function planned(stack: DatabaseStack, backup: string, run: RunPort): Promise<Planned> {
  const { repository, planKey, planHash } = await planRestore(directDeps(stack))({ database: DATABASE, backup }, run);
  return { database: DATABASE, repository, planKey, planHash };
}

it('makes the baseline again where the agent died while it wrote it, and only puts it in place where it was whole', async () => {
  const stack = await agedSource();
  const { aged } = await agedLog(stack);
  const run = newRun();
  const at = await planned(stack, aged.label, run);
  const stage = (): Promise<StagedWal> => stageWal(directDeps(stack))({ ...at, startedAtMs: Date.now() }, run);
  const staged = await stage();
  const { wal, baseline } = restorePaths(stack.dataDir, run.runId);
  const [name] = await filesIn(wal);
  const whole = await readFile(join(wal, name!));
  const expectWhole = async (): Promise<void> => {
    expect(await stage()).toEqual(staged);
    expect((await filesIn(wal))[0]).toBe(name);
    expect((await readFile(join(wal, name!))).equals(whole)).toBe(true);
    expect(await readdir(baseline)).toEqual([name]);
  };
  await expectWhole();
  // Whole, but not in place: the fetched segments are still there.
  await rm(join(wal, name!));
  await writeFile(join(wal, name!), 'as it was fetched');
  await writeFile(join(wal, segmentFileName(1 as SegmentId)), 'as it was fetched');
  await expectWhole();
  // Half made.
  await rm(baseline, { recursive: true });
  await mkdir(baseline);
  await writeFile(join(baseline, `${name}.${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}.partial`), whole.subarray(0, 999));
  await rm(wal, { recursive: true });
  await expectWhole();
});

it('puts the replaced data back as long as nothing was written behind the baseline', async () => {
  const stack = await agedSource();
  const { aged } = await agedLog(stack);
  const deps = directDeps(stack);
  const swapped = async (): Promise<{ input: SwapInput; run: RunPort }> => {
    const run = newRun();
    const at = await planned(stack, aged.label, run);
    await stageWal(deps)({ ...at, startedAtMs: Date.now() }, run);
    const input = { ...at, swap: await nameSwap(deps)({ database: DATABASE }, run) };
    await swapIn(deps)(input, run);
    return { input, run };
  };
  const before = await filesIn(stack.walDir);
  const first = await swapped();
  expect((await filesIn(stack.walDir)).length).toBeLessThan(before.length);
  expect(await surveyData(deps)({ database: DATABASE }, newRun())).toMatchObject({ unsavedRecords: 0, backup: aged.label });
  expect(await rollBack(deps)(first.input, first.run)).toMatchObject({ inPlace: 'replaced' });
  expect(await filesIn(stack.walDir)).toEqual(before);
  const second = await swapped();
  await writeOrders(stack.address, 1, 'later');
  expect(await surveyData(deps)({ database: DATABASE }, newRun())).toMatchObject({ unsavedRecords: 1 });
  await expect(rollBack(deps)(second.input, second.run)).rejects.toMatchObject({ code: 'data-directory-replaced' });
});

it('calls a baseline that lost bytes on its way in what it is', async () => {
  const stack = await agedSource();
  const { aged } = await agedLog(stack);
  const run = newRun();
  const at = await planned(stack, aged.label, run);
  const stage = (): Promise<StagedWal> => stageWal(directDeps(stack))({ ...at, startedAtMs: Date.now() }, run);
  await stage();
  const { baseline } = restorePaths(stack.dataDir, run.runId);
  const [name] = await readdir(baseline);
  await truncate(join(baseline, name!), 0);
  await expect(stage()).rejects.toMatchObject({ code: 'digest-different' });
});
