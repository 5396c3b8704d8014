/** Another host takes the database over between the steps of the old one, which goes on with its old belief. */
import { randomUUID } from 'node:crypto';
import { rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { prepareBackup } from '../../../src/activities/backup/prepare-backup.ts';
import { clearStaging, stageWal } from '../../../src/activities/restore/stage-wal.ts';
import { planRestore } from '../../../src/activities/restore/plan-restore.ts';
import { nameSwap, rollBack, swapIn, type SwapInput } from '../../../src/activities/restore/swap-in.ts';
import type { RunPort } from '../../../src/activities/run-port.ts';
import { readPositions } from '../../../src/store/manifests.ts';
import { claimOwnership } from '../../../src/store/ownership.ts';
import type { Manifest } from '../../../src/formats/repository/manifest.ts';
import { ownerKey } from '../../../src/core/repository/object-keys.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../support/database-stack.ts';
import { databaseState, type DatabaseState, expectNothingLeft } from '../../support/database-witness.ts';
import { backUp, directDeps } from '../../support/direct-backup.ts';
import { folderHashes } from '../../support/folder-hash.ts';
import { startLoadWriters } from '../../support/load-writers.ts';

const OUTDATED = { code: 'owner-outdated' };
const GENERATION = 2;

let stack: DatabaseStack;
let backup: Manifest;
let run: RunPort;
/** Each time that the run asks whether it may go on, the next of these happens first. */
let happenings: (() => Promise<void>)[];

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
  await write('stored');
  backup = await backUp(stack);
});

beforeEach(() => {
  happenings = [];
  const checkOpen = (): Promise<void> => (happenings.shift() ?? untroubled)();
  run = {
    workflowId: 'old',
    runId: randomUUID(),
    signal: new AbortController().signal,
    report: () => undefined,
    checkOpen,
    chain: async () => undefined,
  };
});

afterEach(() => rm(join(stack.repositoryDir, ownerKey(DATABASE, GENERATION))));

afterAll(() => stack.remove());

const untroubled = async (): Promise<void> => undefined;

async function write(prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix });
  await load.acknowledgedAtLeast(20);
  await load.stop();
}

async function otherHostTakesOver(): Promise<void> {
  await claimOwnership(await stack.openRepository(), DATABASE, {
    ...{ format: 1, generation: GENERATION, agent: 'db2', installationId: '22222222-2222-4222-8222-222222222222' },
    ...{ temporal: { clusterId: 'none', namespace: 'none' }, timeline: '0002', claimedAtMs: Date.now() },
  });
}

const repositoryNow = (): Promise<Map<string, string>> => folderHashes(stack.repositoryDir);

describe('a backup', () => {
  it('that begins after the takeover is refused, and leaves nothing in the repository', async () => {
    await otherHostTakesOver();
    const before = await repositoryNow();
    const begun = prepareBackup(directDeps(stack))({ database: DATABASE, kind: 'hot', startedAtMs: Date.now() }, run);
    await expect(begun).rejects.toMatchObject(OUTDATED);
    expect(await repositoryNow()).toEqual(before);
  });

  it('that has stored its pieces by then writes no manifest', async () => {
    await write('stored for nothing');
    await expect(backUp(stack, { afterPin: otherHostTakesOver })).rejects.toMatchObject(OUTDATED);
    const { positions } = await readPositions(await stack.openRepository(), DATABASE);
    expect(positions.map(({ label }) => label)).toEqual([backup.label]);
    await expectNothingLeft(stack.dataDir);
  });
});

describe('a restore in place', () => {
  let before: DatabaseState;
  let walInode: number;

  beforeEach(async () => {
    await write(`doubtful ${Date.now()}`);
    before = await databaseState(stack.dataDir);
    expect(before.servers).toHaveLength(1);
    walInode = (await stat(stack.walDir)).ino;
  });

  afterEach(async () => {
    await clearStaging()({ dataDir: stack.dataDir }, run);
    await expectNothingLeft(stack.dataDir);
  });

  it('is not planned after the takeover', async () => {
    await otherHostTakesOver();
    await expect(planned()).rejects.toMatchObject(OUTDATED);
    expect(await databaseState(stack.dataDir)).toEqual(before);
  });

  it('that was planned before begins no timeline', async () => {
    const at = await planned();
    await otherHostTakesOver();
    const repositoryBefore = await repositoryNow();
    await expect(stageWal(directDeps(stack))({ ...at, startedAtMs: Date.now() }, run)).rejects.toMatchObject(OUTDATED);
    expect(await repositoryNow()).toEqual(repositoryBefore);
    expect(await databaseState(stack.dataDir)).toEqual(before);
  });

  it('that has staged its data names no swap', async () => {
    await staged();
    await otherHostTakesOver();
    await expect(nameSwap(directDeps(stack))({ database: DATABASE }, run)).rejects.toMatchObject(OUTDATED);
    expect(await databaseState(stack.dataDir)).toEqual(before);
  });

  it('that has named its swap does not stop the server', async () => {
    const input = await namedSwap();
    await otherHostTakesOver();
    await expect(swapIn(directDeps(stack))(input, run)).rejects.toMatchObject({ ...OUTDATED, details: { dataInPlace: 'never-replaced' } });
    expect(await databaseState(stack.dataDir)).toEqual(before);
  });

  it('that has stopped the server starts it again on the old data', async () => {
    // The swap is named, it is asked for with the server up, and then with it down: by then the other host has taken over.
    happenings = [untroubled, untroubled, otherHostTakesOver];
    const input = await namedSwap();
    await expect(swapIn(directDeps(stack))(input, run)).rejects.toMatchObject({ ...OUTDATED, details: { dataInPlace: 'never-replaced' } });
    const after = await databaseState(stack.dataDir);
    expect(after.files).toBe(before.files);
    expect((await stat(stack.walDir)).ino).toBe(walInode);
    expect(after.servers).toHaveLength(1);
    expect(after.servers).not.toEqual(before.servers);
    // Nothing was replaced: the folder for it is empty.
    await rmdir(join(stack.dataDir, input.swap.replacedDir));
  });

  it('that has put the backup in place does not put the replaced data back', async () => {
    const input = await namedSwap();
    await swapIn(directDeps(stack))(input, run);
    const restored = await databaseState(stack.dataDir);
    await otherHostTakesOver();
    await expect(rollBack(directDeps(stack))(input, run)).rejects.toMatchObject({ ...OUTDATED, details: { dataInPlace: 'restored' } });
    expect(await databaseState(stack.dataDir)).toEqual(restored);
    await rm(join(stack.dataDir, input.swap.replacedDir), { recursive: true });
  });
});

type At = Omit<SwapInput, 'swap'>;

async function planned(): Promise<At> {
  const { repository, planKey, planHash } = await planRestore(directDeps(stack))({ database: DATABASE, backup: 'latest' }, run);
  return { database: DATABASE, repository, planKey, planHash };
}

async function staged(): Promise<At> {
  const at = await planned();
  await stageWal(directDeps(stack))({ ...at, startedAtMs: Date.now() }, run);
  return at;
}

async function namedSwap(): Promise<SwapInput> {
  return { ...(await staged()), swap: await nameSwap(directDeps(stack))({ database: DATABASE }, run) };
}
