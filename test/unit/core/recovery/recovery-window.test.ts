import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lineageOf, type TimelineNode } from '../../../../src/core/backup/history.ts';
import type { BackupPosition } from '../../../../src/core/backup/label.ts';
import { drawnTimelines, positionsOf, recoveryWindow, type WindowInput, writtenBy } from '../../../../src/core/recovery/recovery-window.ts';
import {
  type Extent,
  makeWalOffset,
  parseWalOffset,
  type SegmentId,
  type WalOffset,
  walOffsetText,
} from '../../../../src/core/wal/wal-offset.ts';

const at = (segment: number, bytes: number) => walOffsetText(makeWalOffset(segment as SegmentId, bytes));
const extent = (segment: number, endBytes = 1000): Extent => ({ segment: segment as SegmentId, endBytes });

function backup(place: [segment: number, endBytes: number], writtenAtMs: number, timeline = '0001'): BackupPosition {
  const [segment, endBytes] = place;
  const end = makeWalOffset(segment as SegmentId, endBytes);
  return { label: `${timeline}-${segment}-${endBytes}`, timeline, end, sizeBytes: (segment - 1) * 1000 + endBytes, writtenAtMs };
}

const BACKUPS = [backup([1, 500], 10), backup([2, 500], 20), backup([4, 500], 30), backup([4, 900], 40)];
const windowOf = (extents: Extent[], positions = BACKUPS) => recoveryWindow({ timeline: '0001', extents, positions });

it('reaches from the log’s beginning to its end if nothing is missing', () => {
  expect(windowOf([extent(1), extent(2), extent(3), extent(4, 900)])).toEqual({
    timeline: '0001',
    offsets: { from: at(1, 0), to: at(4, 900) },
    times: { sinceMs: 10, untilMs: 40 },
    holes: [],
    lost: null,
    archive: null,
  });
});

it('goes on with what the archive has seen, and not behind what it lacks', () => {
  const extents = [extent(1), extent(2), extent(3), extent(4, 950)];
  const reach = { seenMs: 70, stepMs: 1 };
  const of = (archive: WindowInput['archive']) => recoveryWindow({ timeline: '0001', extents, positions: BACKUPS, archive });
  expect(of(reach)).toMatchObject({ offsets: { to: at(4, 950) }, times: { sinceMs: 10, untilMs: 70 }, lost: null, archive: reach });
  expect(of({ ...reach, hole: { from: extent(4, 950), to: extent(4, 980), beyond: extent(5, 10) } })).toMatchObject({
    times: { sinceMs: 10, untilMs: 40 },
    holes: [{ from: at(4, 950), to: at(4, 980) }],
    lost: { from: at(4, 980), to: at(5, 10) },
    archive: reach,
  });
});

it('begins behind a baseline, but for the times: the parents’ backups are still there', () => {
  const of = (...extents: Extent[]) =>
    recoveryWindow({ timeline: '0001', extents, baseline: { segment: 2 as SegmentId, soundFrom: undefined }, positions: BACKUPS });
  expect(of(extent(2), extent(3), extent(4, 900))).toMatchObject({
    offsets: { from: at(3, 0), to: at(4, 900) },
    times: { sinceMs: 10, untilMs: 40 },
    holes: [],
    lost: null,
  });
  expect(of(extent(3), extent(4, 900))).toMatchObject({ offsets: null, holes: [{ from: at(2, 0), to: at(3, 0) }] });
});

it('begins at the first sound point of a log whose baseline was read from a running server', () => {
  const of = (soundFrom: string) => {
    const baseline = { segment: 2 as SegmentId, soundFrom: BigInt(soundFrom) as WalOffset };
    return recoveryWindow({ timeline: '0001', extents: [extent(2), extent(3), extent(4, 900)], baseline, positions: BACKUPS }).offsets;
  };
  expect(of(at(3, 500))).toEqual({ from: at(3, 500), to: at(4, 900) });
  expect(of(at(2, 500))).toEqual({ from: at(3, 0), to: at(4, 900) });
  expect(of(at(4, 901))).toBe(null);
});

it('ends at the first hole, and says what is stored behind it in vain', () => {
  expect(windowOf([extent(1), extent(2), extent(4, 900), extent(6, 10)])).toEqual({
    timeline: '0001',
    offsets: { from: at(1, 0), to: at(2, 1000) },
    times: { sinceMs: 10, untilMs: 29 },
    holes: [
      { from: at(3, 0), to: at(4, 0) },
      { from: at(5, 0), to: at(6, 0) },
    ],
    lost: { from: at(4, 0), to: at(6, 10) },
    archive: null,
  });
});

it('is empty if the beginning of the log is missing', () => {
  const { offsets, times, holes, lost } = windowOf([extent(3), extent(4, 900)]);
  expect({ offsets, times }).toEqual({ offsets: null, times: null });
  expect(holes).toEqual([{ from: at(1, 0), to: at(3, 0) }]);
  expect(lost).toEqual({ from: at(3, 0), to: at(4, 900) });
});

it('knows no time if no backup ends within it', () => {
  expect(windowOf([extent(1)], BACKUPS.slice(1))).toMatchObject({ offsets: { to: at(1, 1000) }, times: null });
});

it('promises no time that a clock which was ahead has taken from it', () => {
  const jumped = [backup([1, 500], 10), backup([2, 500], 90), backup([4, 500], 30)];
  expect(windowOf([extent(1), extent(2), extent(4)], jumped).times).toEqual({ sinceMs: 10, untilMs: 89 });
  expect(windowOf([extent(1), extent(2), extent(3), extent(4)], jumped).times).toEqual({ sinceMs: 10, untilMs: 90 });
});

it('promises just the times for which the backup that is meant can be had, whatever the clocks did', () => {
  const clocks = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(clocks, fc.nat({ max: 13 }), (times, missing) => {
      const positions = times.map((writtenAtMs, index) => backup([index + 1, 1000], writtenAtMs));
      const extents = times.map((_, index) => extent(index + 1)).filter(({ segment }) => segment !== missing);
      const { offsets, times: promised } = windowOf(extents, positions);
      for (let timeMs = -1; timeMs <= 51; timeMs += 1) {
        const meant = writtenBy(positions, timeMs).at(-1);
        const canBeHad = meant !== undefined && offsets !== null && meant.end <= parseWalOffset(offsets.to)!;
        const isPromised = promised !== null && timeMs >= promised.sinceMs && timeMs <= promised.untilMs;
        // Any later time means the end of what is stored: it is only not promised.
        if (isPromised) expect(canBeHad, `${timeMs}`).toBe(true);
        else if (canBeHad) expect(timeMs).toBeGreaterThan(promised!.untilMs);
      }
    }),
    { numRuns: 500 },
  );
});

const forkAt = (timeline: string, ...extents: Extent[]) => ({ timeline, extents });

/** 0002 and 0004 left 0001, 0003 left 0002; 0003 is in use. */
const TIMELINES = new Map<string, TimelineNode>([
  ['0001', { timeline: '0001', parent: null }],
  ['0002', { timeline: '0002', parent: forkAt('0001', extent(1), extent(2, 500)) }],
  ['0003', { timeline: '0003', parent: forkAt('0002', extent(1), extent(2, 800)) }],
  ['0004', { timeline: '0004', parent: forkAt('0001', extent(1, 500)) }],
]);
const FORKED = [
  backup([1, 500], 1),
  backup([2, 500], 2),
  backup([2, 900], 3),
  backup([2, 800], 4, '0002'),
  backup([2, 950], 5, '0002'),
  backup([2, 990], 6, '0003'),
];

it('counts of a fork of a fork what each history had before it was left, in the order of the log', () => {
  const lineage = lineageOf(TIMELINES, '0003')!;
  expect(positionsOf(FORKED, lineage).map(({ writtenAtMs }) => writtenAtMs)).toEqual([1, 2, 4, 6]);
  expect(positionsOf(FORKED, lineageOf(TIMELINES, '0004')!).map(({ writtenAtMs }) => writtenAtMs)).toEqual([1]);
});

it('tells of each history, the newest first, where it was begun, how far it goes and where it stands', () => {
  const drawn = drawnTimelines(TIMELINES, FORKED, lineageOf(TIMELINES, '0003')!);
  expect(drawn).toEqual([
    { timeline: '0004', parent: { timeline: '0001', at: at(1, 500) }, standing: 'left', end: at(1, 500), backups: 0, writtenAtMs: null },
    { timeline: '0003', parent: { timeline: '0002', at: at(2, 800) }, standing: 'inUse', end: at(2, 990), backups: 1, writtenAtMs: 6 },
    { timeline: '0002', parent: { timeline: '0001', at: at(2, 500) }, standing: 'before', end: at(2, 950), backups: 2, writtenAtMs: 5 },
    { timeline: '0001', parent: null, standing: 'before', end: at(2, 900), backups: 3, writtenAtMs: 3 },
  ]);
});
