import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalJson } from '../../../../src/core/json/canonical-json.ts';
import { createStepReader, type LifeStep, searchStep } from '../../../../src/core/recovery/life-steps.ts';
import { makeSegmentId, makeWalOffset } from '../../../../src/core/wal/wal-offset.ts';

const SEGMENT = makeSegmentId(1)!;
const at = (index: number): { startBytes: number } => ({ startBytes: 100 * index });

/** Each text a record; the life begins with the one of that index. */
function stepsOf(texts: readonly string[], createdIndex: number): LifeStep[] {
  const read = createStepReader('a', makeWalOffset(SEGMENT, at(createdIndex).startBytes));
  return texts.flatMap((text, index) => read(SEGMENT, { ...at(index), payload: Buffer.from(text) }) ?? []);
}

const create = (ctx: string): string =>
  `{"type":"create_instance","instance_id":"a","machine":"order","version":1,"initial_state":"new","initial_ctx":${ctx}}`;
const event = (name: string, toState: string, rest: string): string =>
  `{"type":"apply_event","instance_id":"a","event":"${name}","from_state":"new","to_state":"${toState}",${rest}}`;
const remove = '{"type":"delete_instance","instance_id":"a"}';

it('gives the steps of one life, their data as they stand in the log, and nothing of lives before or of other instances', () => {
  const texts = [
    create('{"old":1}'),
    event('PAY', 'paid', '"payload":null,"ctx":{}'),
    remove,
    create('{"n":12345678901234567890.10}'),
    event('PAY', 'paid', '"payload":{"z":1.0, "a":2},"ctx":{"n":1},"event_id":"e-1"').replace('"a"', '"b"'),
    event('PAY', 'paid', '"payload":{"z":1.0, "a":2},"ctx":{"n":1},"event_id":"e-1","idempotency_key":"k"'),
    create('{}'),
    event('SHIP', 'sent', '"ctx":{"n":1}'),
  ];
  expect(stepsOf(texts, 3)).toEqual([
    { index: 0, dataText: '{"n":12345678901234567890.10}', after: { state: 'new', ctx: '{"n":12345678901234567890.10}' } },
    { index: 1, event: 'PAY', eventId: 'e-1', dataText: '{"z":1.0, "a":2}', after: { state: 'paid', ctx: '{"n":1}' } },
    { index: 2, event: 'SHIP', dataText: 'null', after: { state: 'sent', ctx: '{"n":1}' } },
  ]);
});

const ctxs = fc.constantFrom('{"n":1}', '{"n":2}', '{"f":0.1}').map(canonicalJson);
const states = fc.record({ state: fc.constantFrom('new', 'paid'), ctx: ctxs });

it('finds for every state that a life has had the last step that leaves it so, and none for another', () => {
  fc.assert(
    fc.property(fc.array(states, { minLength: 1, maxLength: 8 }), states, (life, live) => {
      const search = searchStep(live);
      for (const [index, after] of life.entries()) search.see({ index, event: 'E', eventId: undefined, dataText: '{}', after });
      const expected = life.findLastIndex(({ state, ctx }) => state === live.state && ctx === live.ctx);
      expect(search.found() ?? -1).toBe(expected);
    }),
  );
});

it('takes a float that the server’s parser has moved for the same, and a whole number beside it for another', () => {
  const found = (ctx: string): number | undefined => {
    const search = searchStep({ state: 'new', ctx: canonicalJson(ctx) });
    const after = { state: 'new', ctx: canonicalJson('{"f":0.30000000000000004,"n":9007199254740993}') };
    search.see({ index: 0, event: undefined, eventId: undefined, dataText: '{}', after });
    return search.found();
  };
  expect(found('{"f":0.3,"n":9007199254740993}')).toBe(0);
  expect(found('{"f":0.3,"n":9007199254740992}')).toBeUndefined();
});
