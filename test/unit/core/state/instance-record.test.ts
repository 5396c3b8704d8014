import { expect, test } from 'vitest';
import { readPresentState } from '../../../../src/core/state/kept-instance.ts';

const read = (text: string) => readPresentState(new TextEncoder().encode(text));

test('reads the first state of a creation and the new state of an event', () => {
  const created = '{"type":"create_instance","instance_id":"a","machine":"m","version":1,"initial_state":"s\\n","initial_ctx":{"n":1.0}}';
  expect(read(created)).toEqual({ state: 's\n', ctx: '{"n":1.0}' });
  const applied =
    '{"type":"apply_event","instance_id":"a","event":"E","from_state":"s","to_state":"t","payload":{"x":1},"ctx":{"b":1, "a":9007199254740993}}';
  expect(read(applied)).toEqual({ state: 't', ctx: '{"a":9007199254740993,"b":1}' });
});

test('takes an absent context for null, as the server does', () => {
  expect(read('{"type":"apply_event","instance_id":"a","to_state":"t"}')).toEqual({ state: 't', ctx: 'null' });
});

test('finds no state in other records, nor in damage', () => {
  for (const text of [
    '{"type":"delete_instance","instance_id":"a"}',
    '{"type":"apply_event","to_state":1}',
    '{"type":"apply_event"}',
    '{',
    '[]',
  ]) {
    expect(read(text), text).toBeUndefined();
  }
  expect(readPresentState(Uint8Array.from([0x22, 0xff, 0x22]))).toBeUndefined();
});
