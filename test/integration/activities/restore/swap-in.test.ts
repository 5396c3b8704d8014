import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { planRestore } from '../../../../src/activities/restore/plan-restore.ts';
import type { RunPort } from '../../../../src/activities/run-port.ts';
import { stageWal } from '../../../../src/activities/restore/stage-wal.ts';
import { nameSwap, rollBack, swapIn, type SwapInput } from '../../../../src/activities/restore/swap-in.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import { readStopNote } from '../../../../src/io/data-directory/rstow-folder.ts';
import { processesWithOpenFilesUnder } from '../../../../src/io/process/open-files.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';
import { toolPath } from '../../../support/tools.ts';

let stack: DatabaseStack;
let broken: string;

/** Its server ends at once while the file `broken` is there. */
beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
  const load = await startLoadWriters({ address: stack.address, writers: 1 });
  await load.acknowledgedAtLeast(20);
  await load.stop();
  await backUp(stack);
  const program = join(stack.folder, 'rstmdb-or-not');
  broken = join(stack.folder, 'broken');
  await writeFile(program, `#!/bin/sh\n[ -e ${broken} ] && exit 1\nexec ${toolPath('rstmdb')}\n`, { mode: 0o755 });
  const { service } = stack.settings;
  if (service.kind === 'process') Object.assign(service, { command: [program] });
  stack.configFile = await stack.writeConfig(stack.plain.agent, { service });
});

afterEach(() => stack.remove());

/** A run that may go on until the answer that is counted down to. */
function runWith(answers: (() => Promise<void>)[]): RunPort {
  const signal = new AbortController().signal;
  const checkOpen = async (): Promise<void> => (answers.shift() ?? (async () => undefined))();
  return { workflowId: 'run-1', runId: 'run-1', signal, report: () => undefined, checkOpen, chain: async () => undefined };
}

async function stagedSwap(run: RunPort): Promise<SwapInput> {
  const deps = directDeps(stack);
  const { repository, planKey, planHash } = await planRestore(deps)({ database: DATABASE, backup: 'latest' }, run);
  const at = { database: DATABASE, repository, planKey, planHash };
  await stageWal(deps)({ ...at, startedAtMs: Date.now() }, run);
  return { ...at, swap: await nameSwap(deps)({ database: DATABASE }, run) };
}

const allowed = async (): Promise<void> => undefined;
const refused = async (): Promise<void> => Promise.reject(new RstowError('cancelled', 'the run has ended meanwhile'));

const serverPids = async (): Promise<number[]> =>
  (await processesWithOpenFilesUnder(stack.walDir, { writersOnly: true })).map(({ pid }) => pid);

it('tells that the old data were never moved where the swap is refused and no server starts on them at first', async () => {
  const deps = directDeps(stack);
  const run = runWith([allowed, allowed, refused]);
  const input = await stagedSwap(run);
  await writeFile(broken, '');
  const failure = swapIn(deps)(input, run);
  await expect(failure).rejects.toMatchObject({ code: 'service-start-failed', details: { dataInPlace: 'never-replaced' } });
  await expect(failure).rejects.toThrow('; the data were not swapped because of cancelled: the run has ended meanwhile');
  await rm(broken);
  expect(await rollBack(deps)(input, run)).toMatchObject({ inPlace: 'never-replaced' });
  expect(await stack.service.isRunning()).toBe(true);
  expect(await readStopNote(stack.dataDir)).toBe(undefined);
});

it('refuses to name a swap for a run that has ended, and to put data back for it, with the server left alone', async () => {
  const deps = directDeps(stack);
  await expect(stagedSwap(runWith([refused]))).rejects.toMatchObject({ code: 'cancelled' });
  const run = runWith([allowed, allowed, allowed, refused]);
  const input = await stagedSwap(run);
  await swapIn(deps)(input, run);
  const before = await serverPids();
  await expect(rollBack(deps)(input, run)).rejects.toMatchObject({ code: 'cancelled', details: { dataInPlace: 'restored' } });
  expect(await serverPids()).toEqual(before);
});

it('puts the replaced data back, and says so', async () => {
  const deps = directDeps(stack);
  const run = runWith([]);
  const input = await stagedSwap(run);
  await swapIn(deps)(input, run);
  expect(await rollBack(deps)(input, run)).toMatchObject({ inPlace: 'replaced' });
});

it('swaps without reading the plan again: what is swapped was named before', async () => {
  const deps = directDeps(stack);
  const run = runWith([]);
  const input = await stagedSwap(run);
  await rm(join(stack.repositoryDir, input.planKey));
  expect(await swapIn(deps)(input, run)).toHaveProperty('replacedAt');
  expect(await stack.service.isRunning()).toBe(true);
});
