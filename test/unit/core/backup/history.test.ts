import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type BackupPosition, positionKey, positionOfKey } from '../../../../src/core/backup/label.ts';
import { laterByClock, orderBackups, type TimelineNode } from '../../../../src/core/backup/history.ts';
import { makeSegmentId, makeWalOffset } from '../../../../src/core/wal/wal-offset.ts';

const SEGMENT = makeSegmentId(1)!;
const HOUR_MS = 3_600_000;

/** `log` is its timeline and how far it goes. */
function backup(label: string, log: [timeline: string, endBytes: number], writtenAtMs = 0): BackupPosition {
  const [timeline, endBytes] = log;
  return { label, timeline, end: makeWalOffset(SEGMENT, endBytes), sizeBytes: endBytes, writtenAtMs };
}
const forkAt = (timeline: string, endBytes: number) => ({ timeline, extents: [{ segment: SEGMENT, endBytes }] });

/** 0002 left 0001 at byte 100: a restore of the backup that ends there. */
const timelines = new Map<string, TimelineNode>([
  ['0001', { timeline: '0001', parent: null }],
  ['0002', { timeline: '0002', parent: forkAt('0001', 100) }],
]);

const labelsOf = (positions: BackupPosition[], inUse = '0001'): string[] =>
  orderBackups(positions, timelines, inUse).map(({ label, isInUse }) => (isInUse ? label : `(${label})`));

it('takes the backup of a reset run, under its old label and written late, for the newest: it holds the most', () => {
  const morning = backup('20261124T080000Z-hot', ['0001', 500], 8 * HOUR_MS);
  const nightly = backup('20261124T010000Z-hot', ['0001', 900], 9 * HOUR_MS);
  expect(labelsOf([nightly, morning])).toEqual([nightly.label, morning.label]);
});

it('takes no import for the newest, whatever it holds, unless nobody owns the database and there is nothing else', () => {
  const imports = new Map([
    ...timelines,
    ...['0003', '0004'].map((timeline) => [timeline, { timeline, why: 'import', parent: null }] as const),
  ]);
  const [own, less, more] = [backup('A', ['0001', 100]), backup('B', ['0004', 500]), backup('C', ['0003', 900])];
  const inOrder = (positions: BackupPosition[], inUse?: string): string[] =>
    orderBackups(positions, imports, inUse).map(({ label, isInUse }) => (isInUse ? label : `(${label})`));
  expect(inOrder([own, less, more], '0001')).toEqual(['A', '(B)', '(C)']);
  expect(inOrder([own, less, more])).toEqual(['A', '(B)', '(C)']);
  expect(inOrder([less, more])).toEqual(['C', '(B)']);
});

it('takes no backup for newer because its clock was a day ahead, and says which one it was', () => {
  const ahead = backup('20261125T080000Z-hot', ['0001', 500], 32 * HOUR_MS);
  const later = backup('20261124T090000Z-hot', ['0001', 900], 9 * HOUR_MS);
  const first = backup('20261124T070000Z-hot', ['0001', 100], 7 * HOUR_MS);
  const ordered = orderBackups([ahead, later, first], timelines, '0001');
  expect(ordered.map(({ label }) => label)).toEqual([later.label, ahead.label, first.label]);
  expect(laterByClock(ordered).map(({ label }) => label)).toEqual([ahead.label]);
});

it('takes what follows a restore for the newest, though a backup of the history that was left holds more and came later', () => {
  const restored = backup('A', ['0001', 100], 1);
  const bad = backup('B', ['0001', 900], 3);
  const first = backup('C', ['0002', 100], 2);
  expect(labelsOf([restored, bad, first], '0002')).toEqual(['C', 'A', '(B)']);
});

it('takes the restored backup for the newest as long as the new history has none', () => {
  expect(labelsOf([backup('A', ['0001', 100]), backup('B', ['0001', 900])], '0002')).toEqual(['A', '(B)']);
});

it('counts a segment that was written on before the last one', () => {
  const more = { ...backup('B', ['0001', 100], 1), sizeBytes: 130 };
  expect(labelsOf([backup('A', ['0001', 100], 2), more])).toEqual(['B', 'A']);
  expect(labelsOf([backup('A', ['0001', 100], 2), more], '0002')).toEqual(['A', '(B)']);
});

it('takes a backup that ends with an empty segment for a part of what was begun from it', () => {
  const last = makeSegmentId(2)!;
  const whole = { ...backup('A', ['0001', 100]), end: makeWalOffset(last, 0) };
  const extents = [
    { segment: SEGMENT, endBytes: 100 },
    { segment: last, endBytes: 0 },
  ];
  const begun = new Map<string, TimelineNode>([
    ['0001', { timeline: '0001', parent: null }],
    ['0002', { timeline: '0002', parent: { timeline: '0001', extents } }],
    ['0003', { timeline: '0003', parent: { timeline: '0002', extents } }],
    ['0004', { timeline: '0004', parent: { timeline: '0003', extents: extents.slice(0, 1) } }],
  ]);
  const isInUse = (timeline: string): boolean[] => orderBackups([whole], begun, timeline).map((each) => each.isInUse);
  expect([isInUse('0002'), isInUse('0003'), isInUse('0004')]).toEqual([[true], [true], [false]]);
});

it('lets the clock decide between backups of the same log', () => {
  expect(labelsOf([backup('A', ['0001', 100], 1), backup('B', ['0001', 100], 2)])).toEqual(['B', 'A']);
});

it.each([undefined, '0009'])('takes the history that was begun last where nothing known is in use: %s', (inUse) => {
  expect(orderBackups([backup('A', ['0001', 900], 9), backup('C', ['0002', 100], 1)], timelines, inUse)[0]?.label).toBe('C');
});

const anyBackup = fc
  .record({
    timeline: fc.constantFrom('0001', '0002', '0003'),
    segment: fc.integer({ min: 1, max: 3 }),
    endBytes: fc.integer({ min: 1, max: 200 }),
    sizeBytes: fc.integer({ min: 1, max: 400 }),
    writtenAtMs: fc.integer({ min: 0, max: 5 }),
  })
  .map(({ segment, endBytes, ...rest }) => ({ ...rest, end: makeWalOffset(makeSegmentId(segment)!, endBytes) }));
const someBackups = fc
  .array(anyBackup, { maxLength: 12 })
  .map((all) => all.map((each, index): BackupPosition => ({ ...each, label: `backup-${index}` })));
const inUse = fc.constantFrom('0001', '0002', '0009', undefined);

it('gives one order, whatever the order of the listing', () => {
  fc.assert(
    fc.property(someBackups, inUse, fc.array(fc.nat(), { minLength: 12, maxLength: 12 }), (positions, timeline, random) => {
      const shuffled = positions
        .map((position, index) => ({ position, at: random[index]! }))
        .sort((one, other) => one.at - other.at)
        .map(({ position }) => position);
      expect(orderBackups(shuffled, timelines, timeline)).toEqual(orderBackups(positions, timelines, timeline));
    }),
  );
});

it('puts nothing of an abandoned history before anything of the one in use, and nothing of more log after less', () => {
  fc.assert(
    fc.property(someBackups, inUse, (positions, timeline) => {
      const ordered = orderBackups(positions, timelines, timeline);
      for (const [index, next] of ordered.slice(1).entries()) {
        const one = ordered[index]!;
        expect(Number(one.isInUse)).toBeGreaterThanOrEqual(Number(next.isInUse));
        if (one.isInUse === next.isInUse && one.timeline === next.timeline) expect(one.end >= next.end).toBe(true);
      }
    }),
  );
});

it('asks labels and clocks nothing where the logs differ', () => {
  fc.assert(
    fc.property(someBackups, inUse, (positions, timeline) => {
      const distinct = [...new Map(positions.map((each) => [`${each.end}`, each])).values()];
      const relabelled = distinct.map((each, index) => ({ ...each, label: `z${distinct.length - index}`, writtenAtMs: -each.writtenAtMs }));
      const endsOf = (all: BackupPosition[]): bigint[] => orderBackups(all, timelines, timeline).map(({ end }) => end);
      expect(endsOf(relabelled)).toEqual(endsOf(distinct));
    }),
  );
});

it('reads from a key what was written into it', () => {
  fc.assert(
    fc.property(anyBackup, (position) => {
      const placed = { ...position, label: '20261124T101500Z-hot' };
      expect(positionOfKey(positionKey('orders', placed))).toEqual(placed);
    }),
  );
});
