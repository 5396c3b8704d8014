import { beforeAll, expect, test } from 'vitest';
import { describeProtection } from '../../../../src/activities/catalogue/describe-protection.ts';
import { readBackups } from '../../../../src/activities/catalogue/list-backups.ts';
import { recordTest } from '../../../../src/activities/recovery-test/test-steps.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { claimOwnership } from '../../../../src/store/ownership.ts';
import { createTimeline } from '../../../../src/store/timelines.ts';
import { recordVerification } from '../../../../src/activities/verify/verify-backup.ts';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { claimOf, depsOf } from '../several-repositories.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, firstTimeline, runOf } from '../scene.ts';

/** As a database of some age has them. */
const BACKUPS = 200;
const FACTS_OF_EACH = 3;

let reads: string[] = [];
let deps: ActivityDeps;

const labelOf = (number: number): string => `20261129T${String(number).padStart(4, '0')}`;

function counting(repository: Repository): Repository {
  return {
    ...repository,
    read: async (key, options) => {
      reads.push(key);
      return repository.read(key, options);
    },
  };
}

beforeAll(async () => {
  const repository = createMemoryRepository();
  const nothing = async (): Promise<undefined> => Promise.resolve(undefined);
  const backupWatch = { schedule: nothing, scheduled: async () => [], lastEnded: nothing, failed: async () => [], archive: nothing };
  deps = { ...depsOf('one', { local: counting(repository) }), backupWatch };
  await createTimeline(repository, DATABASE, firstTimeline);
  await claimOwnership(repository, DATABASE, claimOf('one'));
  for (let number = 1; number <= BACKUPS; number += 1) {
    await putManifest(repository, { ...manifest, label: labelOf(number), runId: `run-${number}`, writtenAtMs: number });
    for (let fact = 0; fact < FACTS_OF_EACH; fact += 1) await recordFacts(number, fact);
  }
});

/** The test of the oldest backup was made last. */
async function recordFacts(number: number, fact: number): Promise<void> {
  const run = runOf(`run-${number}-${fact}`);
  const of = { database: DATABASE, repository: 'local' };
  const common = { label: labelOf(number), held: true };
  await recordVerification(deps)({ ...of, fact: { ...common, level: 'records', atMs: number + fact } }, run);
  const atMs = 1_000_000 - number * 10 + fact;
  await recordTest(deps)({ ...of, fact: { ...common, atMs, agent: 'one', assertionsHeld: 0, rtoMs: 7 } }, run);
}

test('a list of 5 backups reads nothing of what is remembered of others, and no check that held', async () => {
  reads = [];
  const { backups, total } = await readBackups(deps)({ database: DATABASE, limit: 5 });
  expect(total).toBe(BACKUPS);
  expect(backups.map(({ label, verified }) => [label, verified])).toEqual(
    [200, 199, 198, 197, 196].map((number) => [labelOf(number), { level: 'records', atMs: number + FACTS_OF_EACH - 1 }]),
  );
  expect(reads.filter((key) => key.includes('/facts/'))).toEqual([]);
  expect(reads.filter((key) => key.includes('/manifest'))).toHaveLength(5);
});

test('a look at a database reads no more, however old it is, and knows the test that was made last', async () => {
  reads = [];
  const described = await describeProtection(deps)({ database: DATABASE });
  const newest = { label: labelOf(1), atMs: 1_000_000 - 10 + FACTS_OF_EACH - 1, rtoMs: 7 };
  expect(described).toMatchObject({ backups: BACKUPS, tested: newest, testFailed: null, untested: [] });
  expect(reads.filter((key) => key.includes('/facts/'))).toHaveLength(1);
  // The newest's: for itself, for the recovery window, for what the archive has beyond it, and as what its repository holds.
  expect(reads.filter((key) => key.includes('/manifest'))).toHaveLength(4);
});
