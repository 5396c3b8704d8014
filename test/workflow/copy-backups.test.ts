import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { CopyBackupsResult } from '../../src/contract/copy-backups.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { FILLED, LABEL, manifest } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const away = (name: string): RstowError => new RstowError('repository-unavailable', `${name} is not mounted`);
const copies = (): Record<string, unknown>[] => agent.calls.filter(({ verb }) => verb === 'copyToRepository').map(({ input }) => input);
const oneIsAway = (): void => {
  agent.verbs.copyToRepository = async ({ to }) => (to === 'far' ? Promise.reject(away('far')) : { ...FILLED, repository: to });
};

it('fills each repository from the others without the lock, and says of one that is away what is wrong', async () => {
  let isFirst = true;
  agent.verbs.copyToRepository = async ({ to }) => {
    if (to === 'far') throw away('far');
    const isUnfinished = to === 'local' && isFirst;
    isFirst &&= to !== 'local';
    return { ...FILLED, repository: to, isUnfinished };
  };
  agent.place = { ...agent.place, timing: { ...agent.place.timing, patienceMs: 0 } };
  const result = await agent.execute<CopyBackupsResult>('copyBackups', { database: DATABASE, bytesPerSecond: 4096 });
  expect(verbsOf(agent)).toEqual(['chooseCopies', ...Array.from({ length: 4 }, () => 'copyToRepository')]);
  expect(copies()).toContainEqual({ database: DATABASE, to: 'local', bytesPerSecond: 4096 });
  expect(result).toMatchObject({
    outcome: 'warnings',
    repositories: [{ repository: 'local', copied: 6, there: 9 }, {}, { repository: 'far', copied: 0 }],
  });
  expect(result.warnings).toEqual([{ code: 'repository-unavailable', message: 'repository far was not filled: far is not mounted' }]);
});

it('fails only if no repository could be filled', async () => {
  agent.verbs.copyToRepository = async ({ to }) => Promise.reject(away(to));
  agent.place = { ...agent.place, timing: { ...agent.place.timing, patienceMs: 0 } };
  const failure = await failureOf(agent.execute('copyBackups', { database: DATABASE, to: ['far'] }));
  expect(failure.message).toBe('repository-unavailable: far is not mounted');
});

it('copies a backup to the other repositories when the lock is free, and reports how many have it', async () => {
  agent.verbs.writeManifest = async () => ({ ...manifest, copying: { others: ['copy', 'far'], quorum: 2 } });
  oneIsAway();
  agent.place = { ...agent.place, timing: { ...agent.place.timing, patienceMs: 0 } };
  const result = await agent.execute<HotBackupResult>('hotBackup', { database: DATABASE, mark: 'noon' });
  expect(verbsOf(agent).slice(-4)).toEqual(['writeManifest', 'unpinWal', 'copyToRepository', 'copyToRepository']);
  expect(copies()).toContainEqual({ database: DATABASE, from: 'local', to: 'copy', backup: { label: LABEL, mark: 'noon' } });
  const failed = [{ repository: 'far', code: 'repository-unavailable', message: 'far is not mounted' }];
  expect(result).toMatchObject({ outcome: 'warnings', label: LABEL, copies: { stored: 2, wanted: 3, quorum: 2, failed } });
  expect(result).not.toHaveProperty('copying');
});

it('fails a backup that fewer repositories have than the quorum, and says that it is there', async () => {
  agent.verbs.writeManifest = async () => ({ ...manifest, copying: { others: ['copy', 'far'], quorum: 3 } });
  oneIsAway();
  agent.place = { ...agent.place, timing: { ...agent.place.timing, patienceMs: 0 } };
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'quorum-not-reached', details: [{ label: LABEL, stored: 2, wanted: 3, quorum: 3 }] });
  expect(failure.message).toContain(`backup ${LABEL} is in 2 of 3 repositories, and at least 3 have to have it (far: far is not mounted)`);
});
