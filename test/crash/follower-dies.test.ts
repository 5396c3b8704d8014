import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { readArchivedLog } from '../../src/activities/archive/archived-log.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { lackingRanges, wholeUntil } from '../../src/core/archive/tidying.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import type { SegmentId } from '../../src/core/wal/wal-offset.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { createSeenOwners } from '../../src/io/agent-state/seen.ts';
import { createStores } from '../../src/store/store.ts';
import { createCodings, createRepositoryOpener } from '../../src/worker/repositories.ts';
import { createGrowingLog, directFollower, stopArchived } from '../support/archive-day.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { archivedBytes } from '../support/direct-archive.ts';
import { directDeps } from '../support/direct-backup.ts';
import { oddSource, writeOrders } from '../support/odd-source.ts';

const DEATHS = 60;
const CHANGES_MAX = 20;
const TURNS_TO_SETTLE = 4;

type Life = {
  /** Changes that are still made. */ left: number;
  /** Whether the last one is made though nobody hears of it. */ isSilent: boolean;
};

/** Nothing reaches the repository any more once the process is dead. */
function dying(repository: Repository, life: Life): Repository {
  const dead = (): RstowError => new RstowError('repository-unavailable', 'the process is dead');
  const change = async <T>(make: () => Promise<T>): Promise<T> => {
    life.left -= 1;
    if (life.left > 0) return make();
    if (life.left === 0 && life.isSilent) await make();
    throw dead();
  };
  return {
    ...repository,
    put: (key, bytes) => change(() => repository.put(key, bytes)),
    stage: async (expectedKey) => {
      if (life.left <= 0) throw dead();
      const staged = await repository.stage(expectedKey);
      return { ...staged, commit: (key) => change(() => staged.commit(key)) };
    },
    move: (from, to) => change(() => repository.move(from, to)),
    deleteMany: (keys, options) => change(() => repository.deleteMany(keys, options)),
  };
}

function mortal(stack: DatabaseStack, life: Life): ActivityDeps {
  const deps = directDeps(stack);
  const open = createRepositoryOpener(stack.config);
  const seenOwners = createSeenOwners(stack.config.agent.stateDir);
  const openRepository: typeof open = async (...of) => dying(await open(...of), life);
  return { ...deps, ...createStores({ ...deps, seenOwners, openRepository, codingOf: createCodings(stack.config, openRepository) }) };
}

async function wholeOf(deps: ActivityDeps): Promise<Map<SegmentId, number>> {
  const log = await readArchivedLog(await deps.openStore(DATABASE), '0001');
  return new Map(log.extents().map(({ segment, endBytes }) => [segment, endBytes]));
}

it('loses nothing of what it has stored, and completes it, whichever of its changes is the last one before it dies', async () => {
  const stack = await oddSource({ database: { archive: { keptMs: 0 } } });
  await writeOrders(stack.address, 1, 'before');
  await stopArchived(stack);
  const log = await createGrowingLog(stack, { recordBytes: 60_000, segmentBytes: 1024 * 1024 });
  const { now } = Date;
  let nowMs = now();
  Date.now = () => nowMs;
  onTestFinished(() => void (Date.now = now));
  let second = 0;
  const live = async (deps: ActivityDeps, seconds: number): Promise<void> => {
    const follower = await directFollower(deps);
    for (let passed = 1; passed <= seconds; passed += 1) {
      nowMs += 1_000;
      second += 1;
      await log.grow(second);
      await follower.look();
      if (passed % 5 === 0) await follower.tidy(new AbortController().signal);
    }
  };
  const reader = directDeps(stack);
  let before = await wholeOf(reader);
  for (let death = 0; death < DEATHS; death += 1) {
    const life = { left: 1 + Math.floor(Math.random() * CHANGES_MAX), isSilent: Math.random() < 0.5 };
    await expect(live(mortal(stack, life), 100)).rejects.toThrow('the process is dead');
    const whole = await wholeOf(reader);
    for (const [segment, endBytes] of before) expect(whole.get(segment)).toBeGreaterThanOrEqual(endBytes);
    before = whole;
  }
  await live(reader, 10);
  // What one turn merges, the next one deletes the parts of.
  const follower = await directFollower(reader);
  for (let turn = 0; turn < TURNS_TO_SETTLE; turn += 1) {
    nowMs += 1_000;
    await follower.look();
    await follower.tidy(new AbortController().signal);
  }
  const store = await reader.openStore(DATABASE);
  const archived = await readArchivedLog(store, '0001');
  const times = await store.stream.times('0001');
  const files = (await listSegments(stack.walDir)) ?? [];
  expect(files.length).toBeGreaterThan(3);
  for (const { segment, path } of files) {
    const file = await readFile(path);
    expect((await archivedBytes(reader, segment)).equals(file)).toBe(true);
    const timed = [...archived.streamOf(segment), ...times.filter((range) => range.segment === segment)];
    expect(lackingRanges(timed, file.length)).toEqual([]);
  }
  for (const { segment } of files.slice(0, -1)) {
    expect(archived.streamOf(segment)).toEqual([]);
    expect(wholeUntil(archived.walOf(segment))).toBe(wholeUntil(archived.piecesOf(segment)));
  }
});
