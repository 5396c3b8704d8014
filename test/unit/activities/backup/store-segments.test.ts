import { appendFile, truncate, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { pinWal, unpinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments, type StoredSegments } from '../../../../src/activities/backup/store-segments.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { BOUNDARIES, DATABASE, keysOf, makeScene, runOf, type Scene } from '../scene.ts';

const segment = goldenSegment();
const where = { database: DATABASE, repository: 'local', timeline: '0001' };

async function pin(scene: Scene, runId: string): Promise<string> {
  return (await pinWal(scene.deps)(where, runOf(runId))).fenceKey;
}

async function store(scene: Scene, runId: string): Promise<StoredSegments> {
  const fenceKey = await pin(scene, runId);
  const stored = await storeSegments(scene.deps)({ ...where, fenceKey }, runOf(runId));
  await unpinWal(scene.deps)(where, runOf(runId));
  return stored;
}

const piecesOf = async ({ repository }: Scene): Promise<string[]> => (await keysOf(repository)).filter((key) => key.endsWith('.wal.zst'));

const endsOf = async ({ deps }: Scene, { extentsKey }: StoredSegments): Promise<number[]> =>
  (await (await deps.openStore(DATABASE)).plans.extents().read(extentsKey)).segments.map(({ endBytes }) => endBytes);

/** Counts what is opened for reading or staged. */
function spiedRepository(): { repository: Repository; touched: string[] } {
  const repository = createMemoryRepository();
  const touched: string[] = [];
  return {
    touched,
    repository: {
      ...repository,
      openRead: async (key, options) => {
        touched.push(`read ${key}`);
        return repository.openRead(key, options);
      },
      stage: async (expectedKey) => {
        touched.push('stage');
        return repository.stage(expectedKey);
      },
    },
  };
}

/** Counts how many objects are staged at once, on a disk that takes its time. */
function countedRepository(): { repository: Repository; most: () => number } {
  const repository = createMemoryRepository();
  let staged = 0;
  let most = 0;
  return {
    most: () => most,
    repository: {
      ...repository,
      stage: async (expectedKey) => {
        const object = await repository.stage(expectedKey);
        staged += 1;
        most = Math.max(most, staged);
        await sleep(5);
        return {
          ...object,
          discard: async () => {
            staged -= 1;
            await object.discard();
          },
        };
      },
    },
  };
}

it('opens no piece and stores none where nothing is new', async () => {
  const { repository, touched } = spiedRepository();
  const scene = await makeScene(repository);
  await scene.writeSegment(segment);
  const first = await store(scene, 'one');
  expect(touched).toEqual(['stage']);
  touched.length = 0;
  const second = await store(scene, 'two');
  expect(touched).toEqual([]);
  expect(await endsOf(scene, second)).toEqual(await endsOf(scene, first));
});

it('stores many small segments side by side, and replays their records in the order of the log', async () => {
  const { repository, most } = countedRepository();
  const scene = await makeScene(repository);
  const records = BOUNDARIES.slice(1).map((endBytes, index) => segment.subarray(BOUNDARIES[index], endBytes));
  for (const [index, record] of records.entries()) await scene.writeSegment(record, makeSegmentId(index + 1));
  const fenceKey = await pin(scene, 'many');
  const stored = await storeSegments(scene.deps)({ ...where, fenceKey }, runOf('many'));
  expect(await endsOf(scene, stored)).toEqual(records.map(({ length }) => length));
  expect(await piecesOf(scene)).toHaveLength(records.length);
  expect(most()).toBeGreaterThan(1);
  expect(most()).toBeLessThanOrEqual(6);
  const { segments } = await (await scene.deps.openStore(DATABASE)).plans.extents().read(stored.extentsKey);
  // Only a replay that saw each record in its turn knows its end.
  expect(scene.deps.runningBackups.replays.get(DATABASE)?.replay.upTo(segments)?.records).toBe(records.length);
});

it('stores only what was appended', async () => {
  const scene = await makeScene();
  const path = await scene.writeSegment(segment.subarray(0, BOUNDARIES[7]));
  await store(scene, 'one');
  await appendFile(path, segment.subarray(BOUNDARIES[7]));
  const stored = await store(scene, 'two');
  const hex = (positionBytes: number): string => positionBytes.toString(16).padStart(10, '0');
  const [middle, end] = [hex(BOUNDARIES[7]!), hex(segment.length)];
  const names = (await piecesOf(scene)).map((key) => key.split('/').at(-1));
  expect(names).toEqual([`0000000000-${middle}.wal.zst`, `${middle}-${end}.wal.zst`]);
  expect(await endsOf(scene, stored)).toEqual([segment.length]);
});

it('goes on after it died behind a fence that lies inside of a record', async () => {
  const scene = await makeScene();
  const fenceBytes = BOUNDARIES[7]! - 3;
  const path = await scene.writeSegment(segment.subarray(0, fenceBytes));
  const fenceKey = await pin(scene, 'run');
  await appendFile(path, segment.subarray(fenceBytes));
  const first = await storeSegments(scene.deps)({ ...where, fenceKey }, runOf('run'));
  const again = await storeSegments(scene.deps)({ ...where, fenceKey }, runOf('run'));
  expect(again).toEqual(first);
  expect(await endsOf(scene, again)).toEqual([BOUNDARIES[7]]);
  expect(await piecesOf(scene)).toHaveLength(1);
});

it('leaves a torn end out, says so, and takes it once it is whole', async () => {
  const scene = await makeScene();
  const path = await scene.writeSegment(segment.subarray(0, segment.length - 1));
  const torn = await store(scene, 'one');
  expect(torn.warnings.map(({ code }) => code)).toEqual(['torn-tail']);
  expect(await endsOf(scene, torn)).toEqual([BOUNDARIES.at(-2)]);
  await appendFile(path, segment.subarray(segment.length - 1));
  const whole = await store(scene, 'two');
  expect(whole.warnings).toEqual([]);
  expect(await endsOf(scene, whole)).toEqual([segment.length]);
});

describe('a directory that does not continue the stored history', () => {
  it.each([
    ['is shorter', async (path: string) => truncate(path, BOUNDARIES[5])],
    [
      'has another last record',
      async (path: string) => {
        const other = segment.slice();
        const at = BOUNDARIES.at(-2)! + 23;
        other[at] = other[at]! ^ 0x40;
        await writeFile(path, other);
      },
    ],
  ])('is refused where it %s, and nothing of it is stored', async (_what, change) => {
    const scene = await makeScene();
    const path = await scene.writeSegment(segment);
    await store(scene, 'one');
    const before = await piecesOf(scene);
    await change(path);
    await expect(store(scene, 'two')).rejects.toMatchObject({ code: 'timeline-diverged' });
    expect(await piecesOf(scene)).toEqual(before);
  });
});
