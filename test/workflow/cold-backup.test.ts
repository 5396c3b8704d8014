import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { ColdBackupResult } from '../../src/contract/cold-backup.ts';
import { lockWorkflowId } from '../../src/contract/names.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { COLD_LABEL, DIGEST, LABEL, RESTART } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const CHECKED = ['checkColdBackup', 'surveyRestart'];
const STOPPED = ['checkColdBackup', 'prepareBackup', 'storeAhead', 'storeStopped'];
const WRITTEN = ['storeSegments', 'digestState', 'storeAttachments', 'writeManifest', 'unpinWal'];

const NONE = { count: 0, first: [] };
const WHOLE = {
  kind: 'instances' as const,
  shown: 2,
  machines: { lacking: NONE, unshown: NONE },
  instances: { lacking: NONE, outdated: NONE, unshown: NONE },
};

const backUpCold = (): Promise<ColdBackupResult> => agent.execute<ColdBackupResult>('coldBackup', { database: DATABASE });

it('stores ahead, stops the server in one step, and writes the manifest when it is up again', async () => {
  const result = await backUpCold();
  expect(result).toMatchObject({ outcome: 'done', label: LABEL, stateDigest: DIGEST, server: 'restarted', downtimeMs: 400, tailBytes: 90 });
  expect(verbsOf(agent)).toEqual([...CHECKED, ...STOPPED, ...WRITTEN]);
  const inputOf = (wanted: string): unknown => agent.calls.find(({ verb }) => verb === wanted)?.input;
  expect(inputOf('prepareBackup')).toMatchObject({ kind: 'cold' });
  expect(inputOf('writeManifest')).toMatchObject({ kind: 'cold' });
  expect(await statusOf(agent.client.workflow.getHandle(lockWorkflowId(DATABASE)))).toBe('COMPLETED');
});

it('leaves a server that is down as it is', async () => {
  agent.verbs.checkColdBackup = async () => ({ isRunning: false });
  expect(await backUpCold()).toMatchObject({ outcome: 'done', label: COLD_LABEL, kind: 'cold', server: 'left-stopped' });
  expect(verbsOf(agent)).toEqual(['checkColdBackup', 'checkColdBackup', 'backUpStopped']);
});

const instances = { lacking: { count: 2, first: ['o-1', 'o-2'] }, outdated: NONE, unshown: NONE };

it.each([
  ['would lose what it shows', { ...RESTART, compared: { ...WHOLE, instances } }, 'would lose 2 instances'],
  ['can’t be asked', { ...RESTART, compared: null, failure: { code: 'server-refused', sentence: 'it wants a token' } }, 'it wants a token'],
])('stops no server that %s', async (_what, found, why) => {
  agent.verbs.surveyRestart = async () => found;
  const failure = await failureOf(backUpCold());
  expect(failure.type).toBe('restart-unsafe');
  expect(failure.message).toContain('the server was not stopped, for its restart is not safe');
  expect(failure.message).toContain(why);
  expect(verbsOf(agent)).toEqual(CHECKED);
});

it.each(['storeStopped', 'digestState'])('unpins when %s fails, and fails with its sentence', async (verb) => {
  agent.verbs = { [verb]: async (): Promise<never> => Promise.reject(new RstowError('source-damaged', 'byte 7 is no record')) };
  expect(await failureOf(backUpCold())).toMatchObject({ type: 'source-damaged', message: 'source-damaged: byte 7 is no record' });
  expect(verbsOf(agent).at(-1)).toBe('unpinWal');
});
