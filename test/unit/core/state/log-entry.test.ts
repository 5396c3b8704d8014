import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LogEntry, mayConcern, normaliseDefinition, readLogEntry } from '../../../../src/core/state/log-entry.ts';

const read = (text: string) => readLogEntry(new TextEncoder().encode(text));

test('reads the same names from the first bytes as from the whole payload', () => {
  const names = fc.record({
    id: fc.string({ unit: 'binary' }),
    machine: fc.string({ unit: 'binary' }),
    version: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });
  fc.assert(
    fc.property(names, ({ id, machine, version }) => {
      const rest = { machine, version, initial_state: 's', initial_ctx: null };
      const asTheServerWrites = JSON.stringify({ type: 'create_instance', instance_id: id, ...rest });
      const inAnotherOrder = JSON.stringify({ ...rest, instance_id: id, type: 'create_instance' }, undefined, 1);
      const expected: LogEntry = { kind: 'create_instance', id, machine, version };
      expect(read(asTheServerWrites)).toEqual(expected);
      expect(read(inAnotherOrder)).toEqual(expected);
    }),
  );
});

test('reads each type that the server knows', () => {
  expect(read('{"type":"apply_event","instance_id":"a","event":"E","from_state":"s","to_state":"t","payload":null,"ctx":{}}')).toEqual({
    kind: 'apply_event',
    id: 'a',
  });
  expect(read('{"instance_id":"a","type":"apply_event"}')).toEqual({ kind: 'apply_event', id: 'a' });
  expect(read('{"type":"delete_instance","instance_id":"\\u0061"}')).toEqual({ kind: 'delete_instance', id: 'a' });
  expect(read('{"type":"snapshot","instance_id":"a","snapshot_id":"s","state":"t","ctx":{}}')).toEqual({ kind: 'snapshot' });
  expect(read('{"type":"checkpoint","timestamp":1,"rstow":"extra"}')).toEqual({ kind: 'checkpoint' });
  expect(read('{"type":"put_machine","machine":"m","version":1,"definition_hash":"h","definition":{"a":1.0}}')).toEqual({
    kind: 'put_machine',
    machine: 'm',
    version: 1,
    definitionText: '{"a":1.0}',
  });
  expect(read('{"type":"put_machine","machine":"m","version":1,"definition_hash":"h"}')).toMatchObject({ definitionText: 'null' });
});

test('is not led astray by names inside a context', () => {
  const ctx = '{"instance_id":"inner","type":"delete_instance"}';
  expect(read(`{"ctx":${ctx},"type":"apply_event","instance_id":"outer"}`)).toEqual({ kind: 'apply_event', id: 'outer' });
});

test('calls what the server could not read unreadable', () => {
  const texts = [
    '',
    'null',
    '[]',
    '{}',
    '{"type":"unknown"}',
    '{"type":1}',
    '{"type":"apply_event"}',
    '{"type":"apply_event","instance_id":1}',
    '{"type":"apply_event","instance_id":"never ends',
    '{"type":"create_instance","instance_id":"a","machine":"m","version":-1}',
    '{"type":"create_instance","instance_id":"a","machine":"m","version":4294967296}',
    '{"type":"create_instance","instance_id":"a","version":1}',
  ];
  for (const text of texts) expect(read(text), text).toBeUndefined();
  expect(readLogEntry(Uint8Array.from([0x7b, 0xff, 0x7d]))).toBeUndefined();
  expect(
    readLogEntry(new Uint8Array([...new TextEncoder().encode('{"type":"apply_event","instance_id":"'), 0xff, 0x22, 0x7d])),
  ).toBeUndefined();
});

test('gives a definition the form in which the server returns it', () => {
  const sent =
    '{"transitions":[{"to":"b","event":"E","from":"a","guard":null,"note":1},{"from":["b","a"],"event":"F","to":"a","guard":"ctx.x"}],"states":["a","b"],"initial":"a","meta":{"z":1.0,"a":null},"extra":true}';
  expect(normaliseDefinition(sent)).toBe(
    '{"initial":"a","meta":{"a":null,"z":1.0},"states":["a","b"],"transitions":[{"event":"E","from":["a"],"to":"b"},{"event":"F","from":["b","a"],"guard":"ctx.x","to":"a"}]}',
  );
});

test('takes a list of values for an object, as the server does', () => {
  const listed = '[["a","b"],"a",[["a","E","b"],[["b"],"F","a","ctx.x"]],null]';
  expect(normaliseDefinition(listed)).toBe(
    '{"initial":"a","states":["a","b"],"transitions":[{"event":"E","from":["a"],"to":"b"},{"event":"F","from":["b"],"guard":"ctx.x","to":"a"}]}',
  );
});

test('leaves a normalised definition as it is', () => {
  const normalised = '{"initial":"a","states":["a"],"transitions":[{"event":"E","from":["a"],"to":"a"}]}';
  expect(normaliseDefinition(normalised)).toBe(normalised);
});

test('takes nothing else for a definition', () => {
  const texts = [
    'null',
    '1',
    '{}',
    '{"states":["a"],"initial":"a"}',
    '{"states":[1],"initial":"a","transitions":[]}',
    '{"states":["a"],"initial":1,"transitions":[]}',
    '{"states":["a"],"initial":"a","transitions":[{"from":"a","to":"a"}]}',
    '{"states":["a"],"initial":"a","transitions":[{"from":1,"event":"E","to":"a"}]}',
    '{"states":["a"],"initial":"a","transitions":[{"from":"a","event":"E","to":"a","guard":1}]}',
    '[["a"],"a",[],null,1]',
    '{',
  ];
  for (const text of texts) expect(normaliseDefinition(text), text).toBeUndefined();
});

test('passes no record of an instance over, however its id is written, and no record that is another’s for sure', () => {
  const ids = fc.oneof(fc.constantFrom('i-1', 'i-10', '', 'with "quotes"', 'ü', 'a\\b'), fc.string({ unit: 'binary', maxLength: 4 }));
  const kinds = fc.constantFrom('apply_event', 'create_instance', 'delete_instance');
  fc.assert(
    fc.property(kinds, ids, ids, (type, id, other) => {
      const rest = { machine: 'order', version: 1 };
      const written = new TextEncoder().encode(JSON.stringify({ type, instance_id: id, ...rest }));
      const escaped = JSON.stringify({ type, instance_id: id, ...rest }).replace('"instance_id":"', '"instance_id":"\\u0041');
      expect(mayConcern(id)(written)).toBe(true);
      expect(mayConcern(`A${id}`)(new TextEncoder().encode(escaped))).toBe(true);
      if (other !== id && !JSON.stringify(id).includes('\\')) expect(mayConcern(other)(written)).toBe(false);
    }),
    { numRuns: 500 },
  );
  for (const odd of ['', '{', '{"type":"checkpoint"}', '{"instance_id":"i-1","type":"delete_instance"}']) {
    expect(mayConcern('i-1')(new TextEncoder().encode(odd))).toBe(true);
  }
});
