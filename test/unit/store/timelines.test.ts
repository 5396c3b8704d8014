import { expect, it } from 'vitest';
import { piecesOf } from '../../../src/store/pieces.ts';
import { createTimeline, readTimelines } from '../../../src/store/timelines.ts';
import { zstdCoding } from '../../../src/io/coding/zstd.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import type { Piece } from '../../../src/core/repository/piece.ts';
import { pieceOf } from '../core/repository/some-pieces.ts';
import { DATABASE, firstTimeline, SEGMENT } from '../activities/scene.ts';

function storedPieces(repository: Repository, timeline: string): Promise<Piece[]> {
  const timelines = (): ReturnType<typeof readTimelines> => readTimelines(repository, DATABASE);
  const others = { newestOf: async () => Promise.resolve(undefined), streamOf: async () => Promise.resolve([]) };
  return piecesOf({ repository, database: DATABASE, coding: zstdCoding, timelines, ...others }).of(timeline);
}

const byRun = (runId: string) => ({ ...firstTimeline, runId });

it('counts up from 0001', async () => {
  const repository = createMemoryRepository();
  for (const id of ['0001', '0002', '0003']) {
    expect((await createTimeline(repository, DATABASE, byRun(`run-${id}`))).timeline).toBe(id);
  }
});

it('never gives an import the first id, and keeps its id clear of what other repositories have given away', async () => {
  const repository = createMemoryRepository();
  const imported = { ...byRun('import'), why: 'import' as const };
  expect((await createTimeline(repository, DATABASE, imported)).timeline).toBe('0002');
  expect((await createTimeline(repository, DATABASE, { ...imported, runId: 'next', elsewhere: ['0001', '0007'] })).timeline).toBe('0008');
  expect((await createTimeline(repository, DATABASE, byRun('claim'))).timeline).toBe('0001');
});

it('gives a run that asks twice the timeline that it has made already, also after others came', async () => {
  const repository = createMemoryRepository();
  const first = await createTimeline(repository, DATABASE, byRun('one'));
  await createTimeline(repository, DATABASE, byRun('two'));
  expect(await createTimeline(repository, DATABASE, byRun('one'))).toEqual(first);
  expect((await readTimelines(repository, DATABASE)).size).toBe(2);
});

it('gives ten runs that ask at once ten timelines, and one run that asks ten times at once a single one', async () => {
  const repository = createMemoryRepository();
  const ten = Array.from({ length: 10 }, (_, index) => createTimeline(repository, DATABASE, byRun(`run-${index}`)));
  expect(new Set((await Promise.all(ten)).map(({ timeline }) => timeline)).size).toBe(10);
  const same = Array.from({ length: 10 }, () => createTimeline(repository, DATABASE, byRun('same')));
  expect(new Set((await Promise.all(same)).map(({ timeline }) => timeline))).toEqual(new Set(['0011']));
});

it('finds a timeline’s own pieces and its parent’s up to the fork', async () => {
  const repository = createMemoryRepository();
  await createTimeline(repository, DATABASE, firstTimeline);
  const parent = { timeline: '0001', label: 'a', extents: [{ segment: SEGMENT, endBytes: 20 }] };
  await createTimeline(repository, DATABASE, { ...firstTimeline, parent, why: 'restore', runId: 'restore' });
  const shared = pieceOf(0, 20);
  const own = pieceOf(20, 40, { timeline: '0002' });
  for (const { key } of [shared, own, pieceOf(20, 30)]) await repository.put(key, new Uint8Array(1));
  await repository.put(shared.key.replace('.wal.zst', '.json'), new Uint8Array(1));
  expect(await storedPieces(repository, '0002')).toEqual([own, shared]);
});

it('calls a timeline that the repository does not know diverged', async () => {
  await expect(storedPieces(createMemoryRepository(), '0001')).rejects.toMatchObject({ code: 'timeline-diverged' });
});
