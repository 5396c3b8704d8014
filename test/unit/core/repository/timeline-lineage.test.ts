import { expect, it } from 'vitest';
import {
  baselineOf,
  belongsTo,
  descendsFrom,
  isPartOf as isBackupOf,
  lineageOf,
  sharedLog,
  type TimelineNode,
} from '../../../../src/core/backup/history.ts';
import type { Piece } from '../../../../src/core/repository/piece.ts';
import { makeWalOffset } from '../../../../src/core/wal/wal-offset.ts';
import { pieceOf, SEGMENT, segmentOf } from './some-pieces.ts';

const forkAt = (timeline: string, endBytes: number) => ({ timeline, extents: [{ segment: SEGMENT, endBytes }] });

/** 0001 is the first; 0002 left it at byte 20, 0003 left 0002 at 30, 0004 left 0001 at 10. */
const timelines = new Map([
  ['0001', { timeline: '0001', parent: null }],
  ['0002', { timeline: '0002', parent: forkAt('0001', 20) }],
  ['0003', { timeline: '0003', parent: forkAt('0002', 30) }],
  ['0004', { timeline: '0004', parent: forkAt('0001', 10) }],
]);

function isPartOf(timeline: string, piece: Piece): boolean {
  return lineageOf(timelines, timeline)!.some((ancestor) => belongsTo(ancestor, piece));
}

it('takes of a parent what lies before the fork, and of the timeline itself everything', () => {
  expect(isPartOf('0002', pieceOf(0, 20, { timeline: '0001' }))).toBe(true);
  expect(isPartOf('0002', pieceOf(20, 30, { timeline: '0001' }))).toBe(false);
  expect(isPartOf('0002', pieceOf(10, 21, { timeline: '0001' }))).toBe(false);
  expect(isPartOf('0002', pieceOf(20, 99, { timeline: '0002' }))).toBe(true);
});

it('takes an empty segment of a parent only if the fork names it', () => {
  expect(isPartOf('0002', pieceOf(0, 0, { timeline: '0001' }))).toBe(true);
  expect(isPartOf('0002', pieceOf(0, 0, { timeline: '0001', segment: segmentOf(2) }))).toBe(false);
});

it('takes of a grandparent only what lies before its own fork, though the child’s is later', () => {
  expect(isPartOf('0003', pieceOf(0, 20, { timeline: '0001' }))).toBe(true);
  expect(isPartOf('0003', pieceOf(20, 30, { timeline: '0001' }))).toBe(false);
  expect(isPartOf('0003', pieceOf(20, 30, { timeline: '0002' }))).toBe(true);
  expect(isPartOf('0003', pieceOf(30, 40, { timeline: '0002' }))).toBe(false);
});

it('takes of a grandparent only what the child still had, where the child’s fork is earlier', () => {
  const shorter = new Map([...timelines, ['0003', { timeline: '0003', parent: forkAt('0002', 10) }]] as const);
  const [, , first] = lineageOf(shorter, '0003')!;
  expect(belongsTo(first!, pieceOf(0, 10, { timeline: '0001' }))).toBe(true);
  expect(belongsTo(first!, pieceOf(10, 20, { timeline: '0001' }))).toBe(false);
});

it('takes nothing of a sibling, nor of a child', () => {
  expect(isPartOf('0004', pieceOf(0, 5, { timeline: '0002' }))).toBe(false);
  expect(isPartOf('0001', pieceOf(0, 5, { timeline: '0002' }))).toBe(false);
});

it('takes no segment of a parent that the fork does not name', () => {
  expect(isPartOf('0002', pieceOf(0, 1, { timeline: '0001', segment: segmentOf(2) }))).toBe(false);
});

it('tells a history that was begun from another, over any number of forks, from all others', () => {
  expect(descendsFrom(timelines, '0003', '0001')).toBe(true);
  expect(descendsFrom(timelines, '0001', '0003')).toBe(false);
  expect(descendsFrom(timelines, '0004', '0002')).toBe(false);
  expect(descendsFrom(timelines, '0002', '0002')).toBe(false);
  expect(descendsFrom(timelines, '0009', '0001')).toBe(false);
});

it('knows no lineage where the timeline or one of its parents is missing', () => {
  expect(lineageOf(timelines, '0009')).toBeUndefined();
  expect(lineageOf(new Map([['0002', { timeline: '0002', parent: forkAt('0001', 20) }]]), '0002')).toBeUndefined();
});

/** Segments 1 to 4, each of 100 bytes: a restore in 0002 made segment 3 a baseline of 7 bytes, one in 0003 went on from there. */
const extentsTo = (first: number, ends: readonly number[]) => ends.map((endBytes, at) => ({ segment: segmentOf(first + at), endBytes }));
const baselined = new Map<string, TimelineNode>([
  ['0001', { timeline: '0001', parent: null }],
  ['0002', { timeline: '0002', baseline: segmentOf(3), parent: { timeline: '0001', extents: extentsTo(1, [100, 100, 100, 100]) } }],
  ['0003', { timeline: '0003', parent: { timeline: '0002', extents: extentsTo(3, [7, 100]) } }],
]);

it('takes of a parent only what stands behind the baseline, also over a fork that followed', () => {
  for (const timeline of ['0002', '0003']) {
    const belongs = (piece: Piece): boolean => lineageOf(baselined, timeline)!.some((ancestor) => belongsTo(ancestor, piece));
    expect(belongs(pieceOf(0, 100, { timeline: '0001', segment: segmentOf(4) }))).toBe(true);
    for (const segment of [1, 2, 3])
      expect(belongs(pieceOf(0, 5, { timeline: '0001', segment: segmentOf(segment) })), `${segment}`).toBe(false);
    expect(belongs(pieceOf(0, 7, { timeline: '0002', segment: segmentOf(3) }))).toBe(true);
  }
});

it('still counts a parent’s backup for the history, up to the fork, though the baseline is shorter than what it stands for', () => {
  const backup = (endBytes: number) => {
    const end = makeWalOffset(segmentOf(4), endBytes);
    return { label: 'A', timeline: '0001', end, sizeBytes: 300 + endBytes, writtenAtMs: 0 };
  };
  for (const timeline of ['0002', '0003']) {
    const isOf = (endBytes: number): boolean => lineageOf(baselined, timeline)!.some((ancestor) => isBackupOf(backup(endBytes), ancestor));
    expect([isOf(99), isOf(100), isOf(101)], timeline).toEqual([true, true, false]);
  }
});

it('knows with which baseline a log begins, and which timeline has what it stands for', () => {
  expect(baselineOf(baselined, '0001')).toBe(undefined);
  expect(baselineOf(baselined, '0002')).toEqual({ segment: 3, earlier: '0001' });
  expect(baselineOf(baselined, '0003')).toEqual({ segment: 3, earlier: '0001' });
  expect(baselineOf(baselined, '0009')).toBe(undefined);
  const moved = new Map(baselined).set('0001', { timeline: '0001', baseline: segmentOf(9), parent: null });
  expect(baselineOf(moved, '0001')).toEqual({ segment: 9, earlier: undefined });
});

it('shares nothing with a log of before the baseline up to it, and everything with one that begins with it too', () => {
  const log = (timeline: string, first: number, ends: readonly number[]) => ({ timeline, extents: extentsTo(first, ends) });
  const before = log('0001', 1, [100, 100, 100, 100]);
  expect([...sharedLog(baselined, log('0003', 3, [7, 100]), before)]).toEqual([
    [3, 0],
    [4, 100],
  ]);
  expect([...sharedLog(baselined, before, log('0002', 3, [7, 100]))]).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
    [4, 100],
  ]);
  expect([...sharedLog(baselined, log('0003', 3, [7, 120]), log('0002', 3, [7, 130]))]).toEqual([
    [3, 7],
    [4, 100],
  ]);
});
