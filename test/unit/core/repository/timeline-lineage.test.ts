import { expect, it } from 'vitest';
import { belongsTo, descendsFrom, lineageOf } from '../../../../src/core/backup/history.ts';
import type { Piece } from '../../../../src/core/repository/piece.ts';
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
