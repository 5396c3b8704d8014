import { expect, it } from 'vitest';
import { type HeldObjects, planCopy, soundPieces, wholeNames } from '../../../../src/core/repository/copy-plan.ts';
import { makeWalOffset, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { parsePieceKey, pieceKey, type Piece } from '../../../../src/core/repository/piece.ts';

const SEGMENT = 3 as SegmentId;
const OTHER_FORM = '.zst.1f00d5ee.age';

function pieceOf(startBytes: number, endBytes: number, { suffix = '.zst', timeline = '0001' } = {}): Piece {
  return parsePieceKey(pieceKey('orders', timeline, { segment: SEGMENT, startBytes, endBytes, suffix }))!;
}

const held = (pieces: readonly Piece[], more: Partial<HeldObjects> = {}): HeldObjects => ({
  pieces,
  bare: new Set(),
  backups: new Map(),
  marks: new Set(),
  ends: new Map(),
  ...more,
});
const source = (objects: HeldObjects, ...diverged: string[]) => ({ objects, diverged: new Set(diverged) });
const nothing = { damaged: new Set<string>(), expired: new Set<string>(), suffix: '.zst' };
const [first, second, merged] = [pieceOf(0, 100), pieceOf(100, 200), pieceOf(0, 200)];
const manifest = (...names: string[]): ReadonlySet<string> => new Set(['manifest.json', ...names]);

it('takes each piece that the target lacks from all sources that have it, the nearest first, and in the order of the log', () => {
  const sources = [source(held([second])), source(held([first, second]))];
  const { pieces, there } = planCopy({ ...nothing, sources, target: held([]) });
  expect(pieces.map(({ id, from }) => [id, from.map((one) => one.source)])).toEqual([
    ['0001/0000000000000003/0000000000-0000000064', [1]],
    ['0001/0000000000000003/0000000064-00000000c8', [0, 1]],
  ]);
  expect(there).toBe(0);
  expect(planCopy({ ...nothing, sources, target: held([first, second]) })).toMatchObject({ pieces: [], there: 2 });
});

it('calls a range one, in whichever form it is stored, and prefers the form of the target', () => {
  const other = pieceOf(0, 100, { suffix: OTHER_FORM });
  expect(planCopy({ ...nothing, sources: [source(held([first]))], target: held([other]) }).pieces).toEqual([]);
  const { pieces } = planCopy({ ...nothing, suffix: OTHER_FORM, sources: [source(held([first, other]))], target: held([]) });
  expect(pieces[0]!.from.map(({ piece }) => piece.key)).toEqual([other.key, first.key]);
});

it('calls a repair what a backup of the target needs and no other piece there covers', () => {
  const ends = new Map([['0001', makeWalOffset(SEGMENT, 200)]]);
  const repairs = (there: readonly Piece[], damaged: readonly string[] = []): (readonly [string, boolean])[] => {
    const sources = [source(held([first, second, merged, pieceOf(200, 300)]))];
    const { pieces } = planCopy({ ...nothing, sources, target: held(there, { ends }), damaged: new Set(damaged) });
    return pieces.map(({ id, isRepair }) => [id.slice(-21), isRepair] as const);
  };
  expect(repairs([first, second])).toEqual([
    ['0000000000-00000000c8', false],
    ['00000000c8-000000012c', false],
  ]);
  expect(repairs([first, second], [second.key])).toContainEqual(['0000000064-00000000c8', true]);
  expect(repairs([merged])).toContainEqual(['0000000000-0000000064', false]);
  expect(repairs([second])).toContainEqual(['0000000000-0000000064', true]);
});

it('takes a piece without a sidecar for unfinished in the target, and for good in a source', () => {
  const bare = { bare: new Set([first.key]) };
  expect(soundPieces({ target: held([first, second], bare), damaged: new Set([second.key]) })).toEqual([]);
  expect(planCopy({ ...nothing, sources: [source(held([first], bare))], target: held([first], bare) }).pieces).toHaveLength(1);
});

it('leaves alone the pieces of a history that is another one in the target', () => {
  const sources = [source(held([first]), '0001'), source(held([pieceOf(0, 100, { timeline: '0002' })]), '0001')];
  expect(planCopy({ ...nothing, sources, target: held([]) }).pieces.map(({ id }) => id.slice(0, 4))).toEqual(['0002']);
});

it('copies a backup that has a manifest, and again one whose attachment is gone, unfinished or damaged', () => {
  const whole = manifest('machines.json.zst', 'machines.json.zst.json');
  const sources = [
    source(
      held([], {
        backups: new Map([
          ['a', whole],
          ['begun', new Set(['machines.json.zst'])],
        ]),
      }),
    ),
  ];
  const planned = (names: ReadonlySet<string> | undefined, damaged: readonly string[] = []) => {
    const backups = new Map(names === undefined ? [] : [['a', names] as const]);
    return planCopy({ ...nothing, sources, target: held([], { backups }), damaged: new Set(damaged) }).backups;
  };
  expect(planned(undefined)).toEqual([{ label: 'a', from: [0], isRepair: false }]);
  expect(planned(new Set(['machines.json.zst', 'machines.json.zst.json']))).toEqual([{ label: 'a', from: [0], isRepair: false }]);
  expect(planned(whole)).toEqual([]);
  expect(planned(manifest(`machines.json${OTHER_FORM}`, `machines.json${OTHER_FORM}.json`))).toEqual([]);
  for (const names of [manifest(), manifest('machines.json.zst')]) expect(planned(names)).toMatchObject([{ label: 'a', isRepair: true }]);
  expect(planned(whole, ['databases/orders/backups/a/machines.json.zst'])).toMatchObject([{ label: 'a', isRepair: true }]);
});

it('names the stored forms of each attachment that has its sidecar', () => {
  const names = manifest('x.zst', 'x.zst.json', `x${OTHER_FORM}`, `x${OTHER_FORM}.json`, 'y.zst');
  expect([...wholeNames(names)]).toEqual([['x', ['x.zst', `x${OTHER_FORM}`]]]);
});

it('leaves away what has expired in the target, and repairs what is still there', () => {
  const backups = new Map([
    ['gone', manifest()],
    ['moving', manifest('a.zst', 'a.zst.json')],
  ]);
  const sources = [source(held([], { backups })), source(held([], { backups }))];
  const wanted = { ...nothing, sources, target: held([], { backups: new Map([['moving', manifest()]]) }) };
  const plan = planCopy({ ...wanted, expired: new Set(['gone', 'moving']) });
  expect(plan).toMatchObject({ expired: 1, backups: [{ label: 'moving', from: [0, 1], isRepair: true }] });
  expect(planCopy(wanted).backups.map(({ label }) => label)).toEqual(['gone', 'moving']);
});
