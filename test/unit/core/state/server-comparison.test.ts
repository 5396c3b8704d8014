import { describe, expect, test } from 'vitest';
import { createReplayIndex } from '../../../../src/core/state/replay-index.ts';
import {
  createInstanceComparison,
  differingOf,
  fitsCount,
  type ShownInstance,
  type WrittenSince,
} from '../../../../src/core/state/server-comparison.ts';
import { makeWalOffset, type SegmentId, type WalOffset } from '../../../../src/core/wal/wal-offset.ts';

const nothing: WrittenSince = { created: new Set(), deleted: new Set(), machines: new Set(), ends: new Map() };
const at = (segment: number, positionBytes: number): WalOffset => makeWalOffset(segment as SegmentId, positionBytes);

const NONE = { lacking: differingOf([]), outdated: differingOf([]), older: differingOf([]) };

const order = (id: string, lastWalOffset: WalOffset): ShownInstance => ({ id, machine: 'order', version: 1, lastWalOffset });

/** Orders a and b in segment 1, then an event of a in segment 3; and what the server shows. */
function comparison(shown: readonly ShownInstance[]): ReturnType<typeof createInstanceComparison> {
  const index = createReplayIndex();
  const apply = (segment: number, startBytes: number, entry: object): void => {
    const record = { startBytes, endBytes: startBytes + 10, payload: Buffer.from(JSON.stringify(entry)) };
    expect(index.apply(segment as SegmentId, record)).toBe(true);
  };
  for (const [position, id] of ['a', 'b'].entries())
    apply(1, position * 10, { type: 'create_instance', instance_id: id, machine: 'order', version: 1 });
  apply(3, 0, { type: 'apply_event', instance_id: 'a' });
  const both = createInstanceComparison([
    { segment: 1 as SegmentId, endBytes: 20 },
    { segment: 3 as SegmentId, endBytes: 10 },
  ]);
  for (const instance of shown) both.offer(instance);
  for (const instance of index.instances()) both.judge(instance);
  return both;
}

describe('a log and what its server shows', () => {
  test('are the same where each instance’s last record is the same', () => {
    const both = comparison([order('a', at(3, 0)), order('b', at(1, 10))]);
    expect(both.found(nothing)).toEqual(NONE);
    expect([...both.notOffered()]).toEqual([]);
  });

  test('are not the same where an instance was created again as another machine’s, though its last record is the same', () => {
    const both = comparison([{ ...order('a', at(3, 0)), version: 2 }, order('b', at(1, 10))]);
    expect(both.found(nothing).outdated).toEqual(differingOf(['a']));
  });

  test('are the same where what stands in a baseline was written anywhere before its end, and nowhere behind it', () => {
    const of = (lastWalOffset: WalOffset): number => {
      const extents = [{ segment: 5 as SegmentId, endBytes: 20 }];
      const both = createInstanceComparison(extents, { baseline: 5 as SegmentId });
      both.offer(order('a', lastWalOffset));
      const last = { segment: 5 as SegmentId, startBytes: 0, endBytes: 10 };
      both.judge({ id: 'a', machine: 'order', version: 1, deleted: false, last, hash: undefined });
      return both.found(nothing).outdated.count;
    };
    expect([at(2, 70), at(5, 999), at(6, 0)].map(of)).toEqual([0, 0, 1]);
  });

  test('differ where a newer change of an instance stands in the log before an older one, unless it was written since', () => {
    const shown = [order('a', at(1, 10)), order('b', at(1, 10))];
    expect(comparison(shown).found(nothing)).toEqual({ ...NONE, older: differingOf(['a']) });
    const behind = [order('a', at(1, 20)), order('b', at(1, 10))];
    expect(comparison(behind).found({ ...nothing, ends: new Map([[1, 30]]) })).toEqual(NONE);
  });

  test.each([
    ['a later segment', at(4, 0), new Map([[4, 10]])],
    ['the end of a segment', at(3, 10), new Map([[3, 20]])],
    ['the end of an older segment, as after a rotation race', at(1, 20), new Map([[1, 30]])],
  ])('are the same where a record stands behind %s, and only there', (_where, offset, ends) => {
    for (const since of [{ ...nothing, created: new Set(['new']), ends }, nothing]) {
      const both = comparison([order('new', offset), order('b', offset)]);
      const isExcused = since !== nothing;
      expect(both.found(since)).toEqual({
        ...NONE,
        lacking: differingOf(isExcused ? [] : ['new']),
        outdated: differingOf(isExcused ? [] : ['b']),
      });
    }
  });

  test('differ where only an event of an instance stands behind the log, and not its creation', () => {
    const both = comparison([order('lost', at(4, 0))]);
    expect(both.found({ ...nothing, ends: new Map([[4, 10]]) }).lacking).toEqual(differingOf(['lost']));
  });

  test('differ where the last record stood in a segment that the log lacks', () => {
    const both = comparison([order('c', at(2, 0)), order('b', at(2, 10))]);
    expect(both.found(nothing)).toEqual({ ...NONE, lacking: differingOf(['c']), outdated: differingOf(['b']) });
    expect([...both.notOffered()]).toEqual(['a']);
  });
});

test('a count fits with some of the later writes or all of them', () => {
  const since = { ...nothing, created: new Set(['x', 'y']), deleted: new Set(['a']) };
  expect([8, 9, 10, 11, 12, 13].map((shown) => fitsCount(shown, 10, since))).toEqual([false, true, true, true, true, false]);
});

test('names the first few, cut to a length that a warning can hold', () => {
  const { count, first } = differingOf(['x'.repeat(5000), 'b', 'c', 'd']);
  expect(count).toBe(4);
  expect(first.map(({ length }) => length)).toEqual([61, 1, 1]);
});
