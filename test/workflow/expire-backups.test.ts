import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, expect, inject, it, onTestFinished } from 'vitest';
import type { ExpireBackupsInput, ExpireBackupsResult } from '../../src/contract/expire-backups.ts';
import { rstowClient } from '../../src/client/rstow-client.ts';
import type { HoldBackupResult } from '../../src/contract/hold-backup.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { createBackupWatch } from '../../src/worker/temporal/backup-watch.ts';
import { waitUntil } from '../support/wait-until.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { LABEL, PLANNED_EXPIRY, REMOVED } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const expire = (input: object = {}): Promise<ExpireBackupsResult> =>
  agent.execute<ExpireBackupsResult>('expireBackups', { database: DATABASE, ...input });

const isListed = async (runId: string): Promise<boolean> =>
  (await agent.client.workflow.count(`RunId = '${runId}' AND ExecutionStatus = 'Completed'`)).count > 0;

const lastInput = (verb: string): object | undefined => agent.calls.findLast((call) => call.verb === verb)?.input;

it('moves and deletes nothing without apply, and says what would go', async () => {
  const result = await expire();
  expect(result).toMatchObject({ outcome: 'done', applied: false, expired: 0, expireCount: 1, removed: { pieces: 3 } });
  expect(verbsOf(agent)).toEqual(['planExpiry', 'removeExpired']);
  expect(lastInput('removeExpired')).toMatchObject({ repository: 'local', isDry: true });
});

it('moves by its plan, then deletes what earlier runs have left, and carries the reason of whatever stays', async () => {
  agent.verbs.removeExpired = async () => ({ ...REMOVED, stays: ['repository far could not be asked what it needs: it is away'] });
  const result = await expire({ apply: true });
  expect(result).toMatchObject({ outcome: 'warnings', applied: true, expired: 1, warnings: [{ code: 'pieces-stay' }] });
  expect(verbsOf(agent)).toEqual(['planExpiry', 'expireManifests', 'removeExpired']);
  expect(lastInput('expireManifests')).toMatchObject({ planKey: PLANNED_EXPIRY.planKey });
});

it('is not needed if nothing went', async () => {
  agent.verbs.expireManifests = async () => ({ moved: 0 });
  agent.verbs.removeExpired = async () => ({ manifests: 0, pieces: 0, superseded: 0, others: 0, bytes: 0, stays: [] });
  expect(await expire({ apply: true })).toMatchObject({ outcome: 'not-needed' });
});

it('touches nothing while the clocks disagree', async () => {
  agent.verbs.planExpiry = async () => Promise.reject(new RstowError('clock-doubtful', 'nothing expires while the clocks disagree'));
  expect(await failureOf(expire({ apply: true }))).toMatchObject({ type: 'clock-doubtful' });
  expect(verbsOf(agent)).toEqual(['planExpiry']);
});

it('has failed until one has done the work again, whatever a dry run says', async () => {
  const connection = await NativeConnection.connect({ address: inject('temporalAddress') });
  onTestFinished(() => connection.close());
  const watch = createBackupWatch({ connection, namespace: agent.namespace, clusterId: 'test' }, true);
  const failed = async (): Promise<string[]> => (await watch.failed(DATABASE)).map(({ type }) => type);
  agent.verbs.planExpiry = async () => Promise.reject(new RstowError('clock-doubtful', 'nothing expires while the clocks disagree'));
  await expect(expire({ apply: true })).rejects.toThrow();
  await waitUntil('it is listed', async () => (await failed()).length > 0);
  agent.verbs = {};
  const { runId } = await expire();
  await waitUntil('the dry run is listed', () => isListed(runId));
  expect(await failed()).toEqual(['expireBackups']);
  await expire({ apply: true });
  await waitUntil('it is over', async () => (await failed()).length === 0);
});

it('is joined by who asks for the same, and by nobody who means another repository', async () => {
  const { promise: decided, resolve: decide } = Promise.withResolvers<typeof PLANNED_EXPIRY>();
  agent.verbs.planExpiry = () => decided;
  const start = (asked: ExpireBackupsInput) => rstowClient(agent.client).start('expireBackups', asked);
  const input = { database: DATABASE, apply: true, repository: 'far' };
  const first = await start({ ...input, requestedBy: 'ann' });
  expect((await start({ ...input, requestedBy: 'bob' })).runId).toBe(first.runId);
  const sentence = 'an expiry of "orders" is under way, in repository "far"; this one, in the first repository, was not started';
  const other = start({ ...input, repository: undefined });
  await expect(other).rejects.toMatchObject({ code: 'busy', message: sentence, details: { holder: 'rstow/expire/orders' } });
  await expect(start({ ...input, despiteClocks: true })).rejects.toMatchObject({ code: 'busy' });
  expect((await start({ database: DATABASE })).runId).not.toBe(first.runId);
  decide(PLANNED_EXPIRY);
  expect(await first.result()).toMatchObject({ applied: true });
});

it('holds, releases, and takes a mark away only by a release', async () => {
  const hold = (input: object): Promise<HoldBackupResult> =>
    agent.execute<HoldBackupResult>('holdBackup', { database: DATABASE, backup: 'latest', requestedBy: 'ann', ...input });
  expect(await hold({ reason: 'the auditors want it' })).toMatchObject({ outcome: 'done', label: LABEL, released: 0 });
  expect(lastInput('holdBackup')).toMatchObject({ by: 'ann', reason: 'the auditors want it', isReleased: false });
  expect(await hold({ release: true, mark: 'before-import' })).toMatchObject({ outcome: 'done', released: 1 });
  expect(lastInput('holdBackup')).toMatchObject({ isReleased: true, mark: 'before-import' });
  agent.verbs.holdBackup = async () => ({ label: LABEL, repositories: ['local'], released: 0 });
  expect(await hold({ release: true })).toMatchObject({ outcome: 'not-needed' });
  expect(await failureOf(hold({ mark: 'before-import' }))).toMatchObject({ type: 'invalid-input' });
});
