import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { readStopNote } from '../../src/io/data-directory/rstow-folder.ts';
import { processesWithOpenFilesUnder } from '../../src/io/process/open-files.ts';
import type { ErrorCode } from '../../src/core/errors/error-table.ts';
import { DATABASE } from '../support/database-stack.ts';
import { databaseState, type DatabaseState, expectNothingLeft } from '../support/database-witness.ts';
import { expectFailure, expectNextBackupGoesWell, type Fault, type FaultyScene, openFaultyScene } from '../support/faulty-scene.ts';
import { waitUntil } from '../support/wait-until.ts';

let on: FaultyScene;
let before: DatabaseState;
let rolledBack = false;

beforeAll(async () => {
  on = await openFaultyScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  before = await databaseState(on.stack.dataDir);
});
afterAll(() => on.close());

/** Nothing is lost, nothing is left, and only the server and the agent are at work here. */
afterEach(async () => {
  await on.heal();
  const { files, servers } = await databaseState(on.stack.dataDir);
  expect(files).toBe(before.files);
  expect(servers).toHaveLength(1);
  before = { files, servers };
  await waitUntil('no other process is at work in the stack', async () => {
    const there = await processesWithOpenFilesUnder(on.stack.folder, { ignorePid: process.pid });
    return there.every(({ pid }) => pid === on.agent.pid || servers.includes(pid));
  });
  await expectNothingLeft(on.stack.dataDir, { rolledBack });
  rolledBack = false;
  const live = await liveDigest(on.settings, on.stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(on.backup.stateDigest);
  await expectNextBackupGoesWell(on);
});

type Case = { fault: Fault; code: ErrorCode; says: RegExp };

it.each<Case>([
  { fault: 'rehearsal-fails', code: 'rehearsal-failed', says: /cannot boot on this/ },
  { fault: 'rehearsal-is-mute', code: 'rehearsal-failed', says: /did not answer within 3\.0 s/ },
  { fault: 'rehearsal-has-no-data', code: 'digest-different', says: /a server on the restored files shows the state/ },
  { fault: 'stop-fails', code: 'service-stop-failed', says: /the stop command ended with 6: the unit refuses to stop/ },
  { fault: 'stop-does-nothing', code: 'service-stop-failed', says: /the server still runs 5000 ms after the stop command ended/ },
])('a restore whose surroundings say $fault ends with $code while the same server runs on', async ({ fault, code, says }) => {
  await on.inject(fault);
  expectFailure(await on.rstow('restore', DATABASE, '--yes'), code, says);
  expect(await databaseState(on.stack.dataDir)).toEqual(before);
});

it.each<Case>([
  {
    fault: 'start-fails-once',
    code: 'service-start-failed',
    says: /the start command ended with 5: no such unit; the replaced data are back/,
  },
  { fault: 'start-hangs-once', code: 'service-start-failed', says: /did not answer within 5\.0 s.*; the replaced data are back/ },
  { fault: 'start-does-nothing-once', code: 'service-start-failed', says: /ended before it answered.*; the replaced data are back/ },
])(
  'a restore after which the service says $fault ends with $code and the replaced data back under a server',
  async ({ fault, code, says }) => {
    rolledBack = true;
    await on.inject(fault);
    expectFailure(await on.rstow('restore', DATABASE, '--yes'), code, says);
    expect(await on.service.isRunning()).toBe(true);
  },
);

it('a restore after which no server starts at all ends with the old data in place, and the watchdog starts them once it can', async () => {
  rolledBack = true;
  await on.inject('start-fails');
  expectFailure(await on.rstow('restore', DATABASE, '--yes'), 'service-start-failed', /back in place, but no server starts on them either/);
  expect((await databaseState(on.stack.dataDir)).files).toBe(before.files);
  expect(await readStopNote(on.stack.dataDir)).toMatchObject({ phase: 'starting' });
  await on.take('start-fails');
  await waitUntil('the watchdog has started the server', () => on.service.isRunning(), 40_000);
  await waitUntil('the stop note is finished', async () => (await readStopNote(on.stack.dataDir)) === undefined);
});
