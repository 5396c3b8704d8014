import fc from 'fast-check';
import { expect, it } from 'vitest';
import { belongsTo, lineageOf, type TimelineNode } from '../../../../src/core/backup/history.ts';
import { planSegment, planSlices } from '../../../../src/core/backup/segment-plan.ts';
import { timelinesSince } from '../../../../src/core/retention/kept-timelines.ts';
import { type AgedPiece, type Reference, unneededPieces } from '../../../../src/core/retention/unneeded-pieces.ts';
import { pieceOf, segmentOf } from '../repository/some-pieces.ts';

const DAY_MS = 86_400_000;
const BEFORE_MS = 10 * DAY_MS;

function aged(startBytes: number, endBytes: number, { timeline = '0001', modifiedAtMs = 0 } = {}): AgedPiece {
  const piece = pieceOf(startBytes, endBytes);
  return { ...piece, timeline, key: piece.key.replace('/wal/0001/', `/wal/${timeline}/`), modifiedAtMs };
}

const segment = segmentOf(1);
const promise = (timeline: string, startBytes: number, endBytes: number) => ({ timeline, startBytes, endBytes, sha256: '', records: 1 });
const reference = (...ranges: ReturnType<typeof promise>[]): Reference => [{ segment, ranges }];

const ROOT: TimelineNode = { timeline: '0001', why: 'first', parent: null };
const child = (forkBytes: number): TimelineNode => ({
  timeline: '0002',
  why: 'restore',
  parent: { timeline: '0001', extents: [{ segment, endBytes: forkBytes }] },
});
const timelines = (...nodes: TimelineNode[]): Map<string, TimelineNode> => new Map(nodes.map((node) => [node.timeline, node]));

function unneeded(pieces: AgedPiece[], references: Reference[], nodes: TimelineNode[]) {
  const inUse = nodes.at(-1)!.timeline;
  const found = unneededPieces({
    pieces,
    references,
    timelines: timelines(...nodes),
    keptTimelines: new Set([inUse]),
    beforeMs: BEFORE_MS,
  });
  return { orphans: found.orphans, superseded: found.superseded.map(({ piece }) => piece) };
}

it('lets go what only an expired backup of a history that was left has named', () => {
  const shared = aged(0, 100);
  const left = aged(100, 200);
  const own = aged(100, 150, { timeline: '0002' });
  expect(unneeded([shared, left, own], [reference(promise('0001', 0, 100), promise('0002', 100, 150))], [ROOT, child(100)])).toEqual({
    orphans: [left],
    superseded: [],
  });
});

it('keeps the whole log of the history in use, though no backup names it yet', () => {
  const pieces = [aged(0, 100), aged(100, 150, { timeline: '0002' })];
  expect(unneeded(pieces, [], [ROOT, child(100)])).toEqual({ orphans: [], superseded: [] });
});

it('keeps what is younger than a day, and lets parts go only for what is a day old', () => {
  const young = aged(100, 200, { modifiedAtMs: BEFORE_MS + 1 });
  expect(unneeded([young], [], [ROOT, child(100)]).orphans).toEqual([]);
  const merged = aged(0, 100, { modifiedAtMs: BEFORE_MS + 1 });
  expect(unneeded([aged(0, 50), aged(50, 100), merged], [], [ROOT]).superseded).toEqual([]);
});

it('lets the parts of a merged piece go, and never the piece that holds them', () => {
  const [one, two, merged, all] = [aged(0, 50), aged(50, 100), aged(0, 100), aged(0, 300)];
  expect(unneeded([one, two, merged, all], [], [ROOT]).superseded).toEqual([one, two, merged]);
});

it('keeps a part that a fork ends with, though a merged piece reaches beyond the fork', () => {
  const [part, behind, merged] = [aged(0, 100), aged(100, 200), aged(0, 200)];
  expect(unneeded([part, behind, merged], [reference(promise('0001', 0, 200))], [ROOT, child(100)]).superseded).toEqual([behind]);
});

it('keeps parts as long as a backup names them', () => {
  const [one, two, merged] = [aged(0, 50), aged(50, 100), aged(0, 100)];
  expect(unneeded([one, two, merged], [reference(promise('0001', 0, 50), promise('0001', 50, 70))], [ROOT]).superseded).toEqual([two]);
});

it('keeps parts if the merged piece lies under other keys', () => {
  const merged = { ...aged(0, 100), key: `${aged(0, 100).key}.1f00d5ee.age` };
  expect(unneeded([aged(0, 50), aged(50, 100), merged], [], [ROOT]).superseded).toEqual([]);
});

it('keeps the log of histories that were in use since then, and of new ones', () => {
  const node = (timeline: string, days: number, why = 'restore') => ({ timeline, why, createdAtMs: days * DAY_MS });
  const all = [node('0001', 0, 'first'), node('0002', 10), node('0003', 15, 'import'), node('0004', 20), node('0005', 30)];
  expect([...timelinesSince(all, '0005', 12 * DAY_MS)].sort()).toEqual(['0002', '0003', '0004', '0005']);
  expect([...timelinesSince(all, '0004', 31 * DAY_MS)].sort()).toEqual(['0004', '0005']);
});

/** A history with a fork, whose pieces are stored and merged anyhow; backups name chains of them. */
const cut = fc.uniqueArray(fc.integer({ min: 1, max: 19 }), { maxLength: 8 }).map((cuts) => [0, ...cuts.sort((a, b) => a - b), 20]);
const stored = fc.record({
  cuts: cut,
  merges: fc.array(fc.tuple(fc.nat(19), fc.nat(19)), { maxLength: 6 }),
  childCuts: cut,
  forkAt: fc.nat(8),
  backups: fc.array(fc.record({ isChild: fc.boolean(), count: fc.integer({ min: 1, max: 9 }) }), { minLength: 1, maxLength: 6 }),
  ages: fc.array(fc.nat(20), { minLength: 40, maxLength: 40 }),
});

it('after any removal every backup that stays, and the whole log of the history in use, can be put together', () => {
  fc.assert(
    fc.property(stored, ({ cuts, merges, childCuts, forkAt, backups, ages }) => {
      const chain = (ends: number[], from: number, timeline: string): AgedPiece[] =>
        ends.slice(1).map((end, index) => aged(from + ends[index]!, from + end, { timeline }));
      const parts = chain(cuts, 0, '0001');
      const fork = cuts[Math.min(forkAt, cuts.length - 1)]!;
      const merged = merges
        .map(([one, other]) => [cuts[one % cuts.length]!, cuts[other % cuts.length]!].sort((a, b) => a - b))
        .filter(([start, end]) => start! < end!)
        .map(([start, end]) => aged(start!, end!));
      const own = chain(childCuts, fork, '0002');
      const unique = new Map([...parts, ...merged, ...own].map((piece) => [piece.key, piece]));
      const pieces = [...unique.values()].map((piece, index) => ({ ...piece, modifiedAtMs: (ages[index] ?? 0) * DAY_MS }));
      const references = backups.map(({ isChild, count }) => {
        const named = isChild ? [...parts.filter(({ endBytes }) => endBytes <= fork), ...own.slice(0, count)] : parts.slice(0, count);
        return reference(...named.map(({ timeline, startBytes, endBytes }) => promise(timeline, startBytes, endBytes)));
      });
      const nodes = timelines(ROOT, child(fork));
      const found = unneededPieces({ pieces, references, timelines: nodes, keptTimelines: new Set(['0002']), beforeMs: BEFORE_MS });
      const gone = new Set([...found.orphans, ...found.superseded.map(({ piece }) => piece)].map(({ key }) => key));
      const left = pieces.filter(({ key }) => !gone.has(key));
      for (const { by } of found.superseded) expect(gone).not.toContain(by.key);
      for (const promised of references.flat())
        expect(() => planSegment({ database: 'orders', suffix: '.zst' }, promised, left)).not.toThrow();
      for (const ancestor of lineageOf(nodes, '0002')!) {
        const whole = pieces.filter((piece) => belongsTo(ancestor, piece));
        const rest = left.filter((piece) => belongsTo(ancestor, piece));
        for (const { startBytes, endBytes } of whole) expect(planSlices(rest, startBytes, endBytes).kind).toBe('complete');
      }
    }),
  );
});
