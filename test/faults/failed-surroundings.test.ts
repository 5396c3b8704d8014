import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { ErrorCode } from '../../src/core/errors/error-table.ts';
import { DATABASE } from '../support/database-stack.ts';
import { databaseState, type DatabaseState, expectNothingLeft } from '../support/database-witness.ts';
import { type CliEnd, expectFailure, expectNextBackupGoesWell, type FaultyScene, openFaultyScene } from '../support/faulty-scene.ts';
import { waitUntil } from '../support/wait-until.ts';

const FOREIGN_SEGMENT = fileURLToPath(new URL('../fixtures/wal/golden/0000000000000001.wal', import.meta.url));

let on: FaultyScene;
let before: DatabaseState;
let healing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  on = await openFaultyScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  before = await databaseState(on.stack.dataDir);
  expect(before.servers).toHaveLength(1);
});
afterEach(heal);
afterAll(() => on.close());

async function heal(): Promise<void> {
  for (const step of healing.reverse()) await step();
  healing = [];
  await on.heal();
}

/** Renames a folder away until it is healed. */
async function takeAway(path: string): Promise<void> {
  await rename(path, `${path}.away`);
  healing.push(async () => {
    await rm(path, { recursive: true, force: true });
    await rename(`${path}.away`, path);
  });
}

const repositoryGone = (): Promise<void> => takeAway(on.stack.repositoryDir);

async function foreignDataDirectory(): Promise<void> {
  await takeAway(on.stack.dataDir);
  await mkdir(on.stack.walDir, { recursive: true });
  await cp(FOREIGN_SEGMENT, join(on.stack.walDir, '0000000000000001.wal'));
}

async function filledFolder(): Promise<string> {
  const path = await mkdtemp('/var/tmp/rstow-target-');
  healing.push(() => rm(path, { recursive: true }));
  await writeFile(join(path, 'precious'), 'somebody else’s');
  return path;
}

type Case = { what: string; fault: () => Promise<unknown>; command: string[]; code: ErrorCode; says: RegExp };

const cases: Case[] = [
  {
    what: 'a server that is down',
    fault: () => on.service.stop(),
    ...{ command: ['backup'], code: 'server-unreachable', says: /127\.0\.0\.1:[0-9]+/ },
  },
  {
    what: 'a wrong token',
    fault: () => writeFile(on.tokenFile, 'wrong'),
    ...{ command: ['backup'], code: 'server-refused', says: /AUTH_FAILED|refused/ },
  },
  {
    what: 'the data directory of another server',
    fault: foreignDataDirectory,
    ...{ command: ['backup'], code: 'data-directory-foreign', says: /does not end where the files in .*\/data end/ },
  },
  {
    what: 'a data directory that is missing',
    fault: () => takeAway(on.stack.dataDir),
    ...{ command: ['backup'], code: 'data-directory-missing', says: /\/data\/wal does not exist/ },
  },
  {
    what: 'a repository that is gone before the backup',
    fault: repositoryGone,
    ...{ command: ['backup'], code: 'repository-unavailable', says: /repository does not exist; mount its disk/ },
  },
  {
    what: 'a repository that is gone before the list',
    fault: repositoryGone,
    ...{ command: ['list'], code: 'repository-unavailable', says: /repository does not exist; mount its disk/ },
  },
  {
    what: 'a repository that is gone before the restore',
    fault: repositoryGone,
    ...{ command: ['restore', '--yes'], code: 'repository-unavailable', says: /repository does not exist; mount its disk/ },
  },
];

it.each(cases)(
  'rstow $command.0 tells $what in one sentence with a hint, and nothing is lost or left',
  async ({ fault, command, code, says }) => {
    await fault();
    const faulty = await placesNow();
    const [verb = '', ...options] = command;
    expectFailure(await on.rstow(verb, DATABASE, ...options), code, says);
    expect(await placesNow()).toEqual(faulty);
    if (faulty.files !== undefined) await expectNothingLeft(on.stack.dataDir);
    const wasDown = !(await on.service.isRunning());
    await heal();
    const after = await databaseState(on.stack.dataDir);
    expect(after.files).toBe(before.files);
    if (!wasDown) expect(after.servers).toEqual(before.servers);
    before = after;
    await expectNothingLeft(on.stack.dataDir);
    await expectNextBackupGoesWell(on);
  },
);

/** Also what lies in another's place; a place that is missing is not to be made. */
async function placesNow(): Promise<{ files: string | undefined; hasRepository: boolean }> {
  const isThere = async (path: string): Promise<boolean> => (await namesIn(dirname(path))).includes(basename(path));
  const { dataDir, repositoryDir } = on.stack;
  const files = (await isThere(dataDir)) ? (await databaseState(dataDir)).files : undefined;
  return { files, hasRepository: await isThere(repositoryDir) };
}

describe('a restore to a directory', () => {
  afterEach(async () => {
    expect(await databaseState(on.stack.dataDir)).toEqual(before);
    await expectNothingLeft(on.stack.dataDir);
  });

  it('that is not empty touches nothing in it', async () => {
    const target = await filledFolder();
    expectFailure(await on.rstow('restore', DATABASE, '--to-dir', target), 'target-not-empty', /is not an empty folder/);
    expect(await readdir(target)).toEqual(['precious']);
    expect(await readFile(join(target, 'precious'), 'utf8')).toBe('somebody else’s');
  });

  it('that is a file leaves it as it is', async () => {
    const target = join(await filledFolder(), 'precious');
    expectFailure(await on.rstow('restore', DATABASE, '--to-dir', target), 'target-not-empty', /is a file/);
    expect(await readFile(target, 'utf8')).toBe('somebody else’s');
  });

  it('that is the live one is refused as a wrong input', async () => {
    expectFailure(await on.rstow('restore', DATABASE, '--to-dir', on.stack.dataDir), 'invalid-input', /leave "to" out to restore in place/);
  });
});

describe('a repository that goes away in the middle of a backup', () => {
  /** Writes something new, starts a backup of it, and takes the repository away once the segments are pinned. */
  async function backupLosingItsRepository(): Promise<{ ending: Promise<CliEnd> }> {
    await on.writeMore();
    const plans = join(on.stack.repositoryDir, 'databases', DATABASE, 'plans');
    const planned = await namesIn(plans);
    const ending = on.rstow('backup', DATABASE);
    await waitUntil('the fence is stored', async () => {
      const runId = (await namesIn(plans)).find((name) => !planned.includes(name));
      return runId !== undefined && (await namesIn(join(plans, runId))).includes('fence-0001.json');
    });
    await repositoryGone();
    return { ending };
  }

  it('ends the run with the reason of its last attempt, unpinned, and the next one stores what is missing', async () => {
    const { ending } = await backupLosingItsRepository();
    expectFailure(await ending, 'repository-unavailable', /: folder .*\/repository does not exist/);
    expect(await placesNow()).toMatchObject({ hasRepository: false });
    await expectNothingLeft(on.stack.dataDir);
    await heal();
    await expectWholeBackup();
  });

  it('makes the run wait, and complete when it is back', async () => {
    const { ending } = await backupLosingItsRepository();
    await sleep(1500);
    await heal();
    expect(await ending).toMatchObject({ exitCode: 0 });
    await expectNothingLeft(on.stack.dataDir);
    await expectWholeBackup();
  });

  /** A further backup, read from the repository alone, replays to what the server shows. */
  async function expectWholeBackup(): Promise<void> {
    const { stateDigest } = await on.scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    expect(await on.scene.temporal.execute('verifyBackup', { database: DATABASE })).toMatchObject({ outcome: 'done', stateDigest });
    const live = await liveDigest(on.settings, on.stack.config.timing, new AbortController().signal);
    expect(live.stateDigest).toBe(stateDigest);
  }
});

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}
