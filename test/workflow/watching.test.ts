import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { Progress } from '../../src/contract/result.ts';
import type { ListBackupsResult } from '../../src/contract/list-backups.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { DIGEST, LABEL, PROTECTION } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

it('tells its phase, since when, and how to watch it', async () => {
  const held = holdVerb({ fenceKey: 'fence', pin: 'links', segments: 1, sizeBytes: 1 });
  agent.verbs.pinWal = held.verb;
  const startedAtMs = Date.now();
  const run = await agent.start('hotBackup', { database: DATABASE });
  await held.reached;
  const progress = await run.query<Progress>('progress');
  expect(progress.phase).toBe('pinning the segments');
  expect(progress.sinceMs).toBeGreaterThanOrEqual(startedAtMs - 1000);
  const details = await currentDetails(run);
  expect(details).toContain('**hotBackup** of `orders`: pinning the segments');
  expect(details).toContain(run.workflowId);
  held.letGo();
  await run.result();
  expect(await run.query<Progress>('progress')).toMatchObject({ phase: 'ended: done' });
});

it('can be found by database, operation and outcome', async () => {
  const run = await agent.start('verifyBackup', { database: DATABASE });
  await run.result();
  expect(await ownAttributes(run)).toEqual({ RstowDatabase: ['orders'], RstowOperation: ['verifyBackup'], RstowOutcome: ['done'] });
});

it('sets no search attribute where the namespace refused them', async () => {
  agent.place.searchAttributes = false;
  const run = await agent.start('verifyBackup', { database: DATABASE });
  await run.result();
  expect(await ownAttributes(run)).toEqual({});
});

it('remembers a verification that held', async () => {
  const result = await agent.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE, backup: LABEL, level: 'records' });
  expect(result).toMatchObject({ outcome: 'done', label: LABEL, level: 'records', records: 19, stateDigest: DIGEST });
  expect(agent.calls.at(-1)).toMatchObject({ verb: 'recordVerification', input: { fact: { label: LABEL, level: 'records', held: true } } });
});

it('remembers damage as a verdict, and fails with it', async () => {
  agent.verbs.verifyStoredBackup = async () => Promise.reject(new RstowError('digest-different', 'another state'));
  const failure = await failureOf(agent.execute('verifyBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'digest-different', message: 'digest-different: another state' });
  const told = { code: 'digest-different', sentence: 'digest-different: another state' };
  expect(agent.calls.at(-1)?.input).toMatchObject({ fact: { held: false, failure: told } });
});

it('remembers nothing where the backup could not be read', async () => {
  agent.verbs.verifyStoredBackup = async () => Promise.reject(new RstowError('not-enough-space', 'no space'));
  expect(await failureOf(agent.execute('verifyBackup', { database: DATABASE }))).toMatchObject({ type: 'not-enough-space' });
  expect(verbsOf(agent)).toEqual(['chooseBackup', 'verifyStoredBackup']);
});

it('lists with a warning for each manifest that can’t be read', async () => {
  const unreadable = ['damaged-object', 'format-unsupported'].map((code) => ({ label: code, code, sentence: 'why' }));
  agent.verbs.readBackups = async () => ({ repository: 'local', backups: [], total: 2, unreadable, laterByClock: [] });
  const result = await agent.execute<ListBackupsResult>('listBackups', { database: DATABASE, limit: 2 });
  expect(result).toMatchObject({ outcome: 'warnings', total: 2, warnings: [{ code: 'damaged-object' }, { code: 'format-unsupported' }] });
  expect(agent.calls.at(-1)?.input).toMatchObject({ limit: 2 });
});

it('warns where the newest in use can’t be restored, and names the newest that can', async () => {
  const newest = { ...PROTECTION.latest, label: '20261129T1015', restorable: 'no' as const };
  const listed = { repository: 'local', total: 3, unreadable: [], laterByClock: [] };
  agent.verbs.readBackups = async () => ({ ...listed, backups: [newest], newestRestorable: LABEL });
  const result = await agent.execute<ListBackupsResult>('listBackups', { database: DATABASE, limit: 1 });
  const told = expect.stringMatching(new RegExp(`${newest.label}, can’t be restored.* is ${LABEL}$`)) as string;
  expect(result).toMatchObject({ outcome: 'warnings', warnings: [{ code: 'wal-gap', message: told }] });
});

async function currentDetails(run: WorkflowHandle): Promise<string> {
  return JSON.stringify(await run.query('__temporal_workflow_metadata'));
}

async function ownAttributes(run: WorkflowHandle): Promise<Record<string, unknown>> {
  const { typedSearchAttributes } = await run.describe();
  const own = typedSearchAttributes.getAll().filter(({ key }) => key.name.startsWith('Rstow'));
  return Object.fromEntries(own.map(({ key, value }) => [key.name, [value]]));
}
