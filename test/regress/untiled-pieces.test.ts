/** The check of crash tests that no byte is stored twice: it took a segment that was merged over several timelines for a fault. */
import { expect, test } from 'vitest';
import { untiledOf } from '../crash/support/piece-stamps.ts';

const key = (timeline: string, range: string): string => `databases/orders/wal/${timeline}/0000000000000003/${range}.wal.zst`;

const GROWN = [
  key('0001', '0000000000-00000521f0'),
  key('0001', '00000521f0-0000090128'),
  key('0002', '0000090128-00000c8425'),
  key('0003', '00000c8425-00000ffee8'),
];

test('a segment that began in earlier timelines may be merged in the last one', () => {
  expect(untiledOf(GROWN)).toEqual([]);
  expect(untiledOf([...GROWN, key('0003', '0000000000-00000ffee8')])).toEqual([]);
});

test('one piece that overlaps another, or leaves a hole before it, is named', () => {
  const overlapping = key('0003', '00000c8000-00000ffee8');
  expect(untiledOf([...GROWN, overlapping])).toHaveLength(1);
  const behindHole = key('0003', '00000ffef0-0000100000');
  expect(untiledOf([...GROWN, behindHole])).toEqual([behindHole]);
});

test('a merged piece whose parts are not all there is named beside what it overlaps', () => {
  const merged = key('0003', '0000000000-00000ffee8');
  expect(untiledOf([...GROWN.slice(1), merged])).toEqual([GROWN[3]]);
  const ofLaterTimeline = [key('0004', '0000000000-00000521f0'), ...GROWN.slice(1)];
  expect(untiledOf([...ofLaterTimeline, merged])).toContain(GROWN[3]);
});
