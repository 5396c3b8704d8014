import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalJson } from '../../../../src/core/json/canonical-json.ts';
import { followInstance, type InstanceFollower } from '../../../../src/core/recovery/instance-life.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { modelEntries, modelInstances } from '../../../fixtures/wal/state-model.ts';

const SEGMENT = makeSegmentId(1)!;
const RECORD_BYTES = 100;

/** Each text a record; the first begins at 0. */
function followed(id: string, texts: readonly string[]): InstanceFollower {
  const follower = followInstance(id);
  for (const [index, text] of texts.entries()) {
    const startBytes = index * RECORD_BYTES;
    const record = { sequence: index + 1, startBytes, endBytes: startBytes + RECORD_BYTES, payload: Buffer.from(text) };
    expect(follower.see(SEGMENT, record)).toBe(true);
  }
  return follower;
}

it('knows of each instance what a plain replay of the whole log knows', () => {
  fc.assert(
    fc.property(fc.array(modelEntries, { maxLength: 30 }), fc.constantFrom('i-1', 'with "quotes"', 'ü'), (entries, id) => {
      const life = followed(
        id,
        entries.map((entry) => JSON.stringify(entry)),
      ).life();
      const expected = modelInstances(entries).get(id);
      if (expected === undefined || expected.deleted) {
        expect(life).toBeUndefined();
      } else {
        const { machine, version, state, ctx } = expected;
        expect(life).toMatchObject({ machine, version, state, ctx: canonicalJson(JSON.stringify(ctx)) });
      }
    }),
  );
});

const create = (ctx: string): string =>
  `{"type":"create_instance","instance_id":"a","machine":"order","version":1,"initial_state":"created","initial_ctx":${ctx}}`;
const pay = '{"type":"apply_event","instance_id":"a","event":"PAY","from_state":"created","to_state":"paid","payload":null,"ctx":{"n":9}}';
const remove = '{"type":"delete_instance","instance_id":"a"}';

it('counts the events of the last life alone, and keeps numbers as they stand there', () => {
  const follower = followed('a', [create('{}'), pay, pay, remove, create('{"n":12345678901234567890.10}'), pay, create('{}')]);
  expect(follower.life()).toMatchObject({ events: 1, created: { sequence: 5 }, last: { sequence: 6, event: 'PAY', toState: 'paid' } });
  expect(followed('a', [create('{"n":12345678901234567890.10}')]).life()?.ctx).toBe('{"n":12345678901234567890.10}');
});

it('names the record that deleted it, also of an instance that is there again', () => {
  expect(followed('a', [create('{}'), remove]).life()).toBeUndefined();
  expect(followed('a', [create('{}'), remove, remove]).deleted()).toMatchObject({ sequence: 2, type: 'delete_instance' });
  expect(followed('a', [create('{}'), remove, create('{}')]).deleted()).toMatchObject({ sequence: 2 });
  expect(followed('a', [remove]).deleted()).toBeUndefined();
});

it('refuses a record that a server could not start on', () => {
  const follower = followInstance('a');
  const see = (text: string): boolean => follower.see(SEGMENT, { sequence: 1, startBytes: 0, endBytes: 9, payload: Buffer.from(text) });
  expect(see('{"type":"noop"}')).toBe(false);
  expect(see('{"type":"create_instance","instance_id":"a","machine":"order","version":1}')).toBe(false);
});
