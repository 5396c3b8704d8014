import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { RestoreVolumeResult } from '../../src/contract/restore-volume.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { LABEL } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const input = { database: DATABASE, backup: 'latest', dataset: 'tank/copy' };

it('receives the dataset, checks it, and asks whether there is anything to drop', async () => {
  const result = await agent.execute<RestoreVolumeResult>('restoreVolume', input);
  expect(result).toMatchObject({ outcome: 'done', label: LABEL, dataset: 'tank/copy', dataDir: '/tank/copy', segmentsFetched: 0 });
  expect(verbsOf(agent)).toEqual(['planVolume', 'receiveVolume', 'checkVolume', 'dropVolume']);
});

it('receives nothing in a dry run', async () => {
  expect(await agent.execute('restoreVolume', { ...input, dryRun: true })).toMatchObject({
    outcome: 'done',
    dryRun: true,
    streamBytes: 4000,
  });
  expect(verbsOf(agent)).toEqual(['planVolume']);
});

it('receives nothing as a dataset that exists', async () => {
  agent.verbs.planVolume = async () => Promise.reject(new RstowError('target-not-empty', 'the dataset tank/copy exists'));
  expect(await failureOf(agent.execute('restoreVolume', input))).toMatchObject({ type: 'target-not-empty' });
  expect(verbsOf(agent)).not.toContain('receiveVolume');
});

it('drops what it received if its log gives another state', async () => {
  agent.verbs.checkVolume = async () => Promise.reject(new RstowError('digest-different', 'replaying gives another state'));
  expect(await failureOf(agent.execute('restoreVolume', input))).toMatchObject({ type: 'digest-different' });
  expect(verbsOf(agent).at(-1)).toBe('dropVolume');
});

it('says which names can’t be a dataset', async () => {
  for (const dataset of ['tank', '/tank/copy', 'tank/copy@snapshot', 'tank//copy', 'tank/-r']) {
    expect(await failureOf(agent.execute('restoreVolume', { ...input, dataset }))).toMatchObject({ type: 'invalid-input' });
  }
});
