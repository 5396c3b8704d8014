import { expect, test } from 'vitest';
import { normaliseDefinition } from '../../../../src/core/state/machine-definition.ts';

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
