import type { Events } from '../../../../src/activities/activity-deps.ts';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { claimOwnership, currentOwner } from '../../../../src/store/ownership.ts';
import { createTimeline, readTimelines } from '../../../../src/store/timelines.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { type CatchUp, createCatchUp } from '../../../../src/worker/watch/catch-up.ts';
import { DATABASE, firstTimeline, keysOf } from '../../activities/scene.ts';
import { claimOf, depsOf } from '../../activities/several-repositories.ts';

let first: Repository;
let second: Repository;
let away: Set<string>;
let logged: object[];

const events: Events = { record: ({ kind: _kind, sentence: _sentence, ...facts }) => void logged.push(facts) };
const catchUpOf = (installationId: string): CatchUp => createCatchUp(depsOf(installationId, { first, second }, { away, events }));
const fork = async (repository: Repository, timeline: string, runId: string): Promise<unknown> =>
  createTimeline(repository, DATABASE, { ...firstTimeline, parent: { timeline, label: 'label', extents: [] }, why: 'restore', runId });
const historiesIn = async (repository: Repository): Promise<string[]> =>
  [...(await readTimelines(repository, DATABASE)).values()].map(({ timeline, runId }) => `${timeline} by ${runId}`);

beforeEach(async () => {
  [first, second, away, logged] = [createMemoryRepository(), createMemoryRepository(), new Set(), []];
  for (const repository of [first, second]) {
    await createTimeline(repository, DATABASE, firstTimeline);
    await claimOwnership(repository, DATABASE, claimOf('old', 1));
  }
});

it('gives a repository that was away the owner’s claim and every history, once it is back', async () => {
  await fork(second, '0001', 'recovery');
  await fork(second, '0002', 'restore');
  await claimOwnership(second, DATABASE, claimOf('new', 2));
  const catchUp = catchUpOf('new');
  away.add('first');
  await catchUp(DATABASE);
  expect(await historiesIn(first)).toEqual(['0001 by claim']);
  away.clear();
  await catchUp(DATABASE);
  expect(await historiesIn(first)).toEqual(['0001 by claim', '0002 by recovery', '0003 by restore']);
  expect(await currentOwner(first, DATABASE)).toEqual(await currentOwner(second, DATABASE));
  expect(logged).toEqual([]);
});

it('gives a new repository what it needs, wherever it stands in the config', async () => {
  first = createMemoryRepository();
  await catchUpOf('old')(DATABASE);
  expect(await keysOf(first)).toEqual(await keysOf(second));
});

it('puts nothing for an installation that is not the owner', async () => {
  await fork(second, '0001', 'recovery');
  await claimOwnership(second, DATABASE, claimOf('new', 2));
  await catchUpOf('old')(DATABASE);
  expect(await historiesIn(first)).toEqual(['0001 by claim']);
});

it('leaves another history of the same id alone, gives none that was begun from it, and says so once', async () => {
  await fork(first, '0001', 'before it went away');
  await fork(second, '0001', 'recovery');
  await fork(second, '0002', 'on the recovered');
  await claimOwnership(second, DATABASE, claimOf('new', 2));
  const catchUp = catchUpOf('new');
  for (let pass = 0; pass < 3; pass += 1) await catchUp(DATABASE);
  expect(await historiesIn(first)).toEqual(['0001 by claim', '0002 by before it went away']);
  expect(await historiesIn(second)).toEqual(['0001 by claim', '0002 by recovery', '0003 by on the recovered']);
  expect((await currentOwner(first, DATABASE))?.installationId).toBe('new');
  const facts = { code: 'timeline-diverged', database: DATABASE };
  expect(logged).toEqual([
    { ...facts, repository: 'first', timeline: '0002', otherThanIn: 'second' },
    { ...facts, repository: 'first', timeline: '0003', otherThanIn: 'second' },
    { ...facts, repository: 'second', timeline: '0002', otherThanIn: 'first' },
  ]);
});

it('says again each half hour what still differs, so that an alert of it is not over while it lasts', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  await claimOwnership(first, DATABASE, claimOf('new', 2));
  await claimOwnership(second, DATABASE, claimOf('other', 2));
  const catchUp = catchUpOf('new');
  const said: number[] = [];
  for (let minutes = 0; minutes <= 60; minutes += 10) {
    await catchUp(DATABASE);
    said.push(logged.length);
    vi.advanceTimersByTime(600_000);
  }
  expect(said).toEqual([1, 1, 1, 2, 2, 2, 3]);
});

it('says that a repository names another owner of the same generation', async () => {
  await claimOwnership(first, DATABASE, claimOf('new', 2));
  await claimOwnership(second, DATABASE, claimOf('other', 2));
  await catchUpOf('new')(DATABASE);
  expect(logged).toEqual([{ code: 'owner-outdated', database: DATABASE, repository: 'second', generation: 2 }]);
});

it('tries again where a full disk took nothing, and says why', async () => {
  await claimOwnership(second, DATABASE, claimOf('new', 2));
  const put = first.put.bind(first);
  first.put = () => Promise.reject(new RstowError('not-enough-space', 'the disk is full'));
  const catchUp = catchUpOf('new');
  await catchUp(DATABASE);
  expect(logged).toEqual([{ code: 'not-enough-space', database: DATABASE, repository: 'first' }]);
  first.put = put;
  await catchUp(DATABASE);
  expect((await currentOwner(first, DATABASE))?.installationId).toBe('new');
});
