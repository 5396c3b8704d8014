import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { SnapshotBackupResult } from '../../src/contract/snapshot-backup.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { LABEL } from './plausible-answers.ts';

const CHECKED = ['checkBackup', 'checkSnapshot'];
const HELD = ['checkSnapshot', 'prepareBackup', 'takeSnapshot', 'storeSegments', 'dropSnapshot'];
const WRITTEN = ['digestState', 'storeAttachments', 'writeManifest', 'unpinWal'];

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

it('takes the snapshot, stores from it, and removes it before the log is replayed', async () => {
  const result = await agent.execute<SnapshotBackupResult>('snapshotBackup', { database: DATABASE, snapshot: 'lvm', mark: 'nightly' });
  const snapshot = { volume: 'vg0/rstmdb', name: 'rstow-0123', usedPercent: 12.5, heldMs: 3000 };
  expect(result).toMatchObject({ outcome: 'done', database: DATABASE, label: LABEL, mark: 'nightly', snapshot });
  expect(verbsOf(agent)).toEqual([...CHECKED, ...HELD, ...WRITTEN]);
  const inputOf = (wanted: string): unknown => agent.calls.find(({ verb }) => verb === wanted)?.input;
  expect(inputOf('prepareBackup')).toMatchObject({ kind: 'lvm', mark: 'nightly' });
  expect(inputOf('writeManifest')).toMatchObject({ kind: 'lvm', pin: 'snapshot' });
});

it.each(['takeSnapshot', 'storeSegments'])('removes the snapshot and writes no manifest when %s fails', async (verb) => {
  agent.verbs = { [verb]: async () => Promise.reject(new RstowError('snapshot-overflowed', 'it is full')) };
  const failure = await failureOf(agent.execute('snapshotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'snapshot-overflowed', message: 'snapshot-overflowed: it is full' });
  expect(verbsOf(agent)).toEqual([...CHECKED, ...HELD.slice(0, HELD.indexOf(verb) + 1), 'dropSnapshot', 'unpinWal']);
});

it('takes no snapshot, and pins nothing, when the volume can have none', async () => {
  agent.verbs.checkSnapshot = async () => Promise.reject(new RstowError('snapshot-unsupported', 'it lies on tmpfs'));
  const failure = await failureOf(agent.execute('snapshotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'snapshot-unsupported' });
  expect(verbsOf(agent)).toEqual(CHECKED);
});

it('removes the snapshot when it is cancelled, and ends as cancelled', async () => {
  const held = holdVerb(undefined);
  agent.verbs.storeSegments = held.verb;
  const run = await agent.start('snapshotBackup', { database: DATABASE });
  await held.reached;
  await run.cancel();
  await expect(run.result()).rejects.toThrow();
  expect(await statusOf(run)).toBe('CANCELLED');
  expect(verbsOf(agent).slice(-2)).toEqual(['dropSnapshot', 'unpinWal']);
});

it('refuses a kind of snapshot that there is not', async () => {
  const failure = await failureOf(agent.execute('snapshotBackup', { database: DATABASE, snapshot: 'btrfs' }));
  expect(failure).toMatchObject({ type: 'invalid-input' });
  expect(verbsOf(agent)).toEqual([]);
});
