import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arrayElements, canonicalJson, canonicalMembers, topLevelMembers } from '../../../../src/core/json/canonical-json.ts';
import { JSON_DEPTH_MAX } from '../../../../src/core/json/json-walk.ts';
import { goldenLive } from '../../../fixtures/wal/golden.ts';

const invalidTexts = [
  '',
  ' ',
  '{',
  '}',
  '[',
  ']',
  '[1,]',
  '[,1]',
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{a:1}',
  "{'a':1}",
  '{"a" 1}',
  '{"a":1 "b":2}',
  '01',
  '-',
  '+1',
  '1.',
  '.5',
  '1e',
  '1e+',
  '0x1',
  'NaN',
  'Infinity',
  'tru',
  'nul',
  'True',
  '"',
  '"a',
  '"\\x"',
  '"\\u12g4"',
  '"\n"',
  '"\u0000"',
  '1 2',
  '[] []',
  '\u00a01',
  '\ufeff1',
  '"\\',
];

test('leaves what a real server answers as it is', () => {
  const { machines, instances } = goldenLive();
  for (const { resultText } of [...machines, ...instances]) expect(canonicalJson(resultText)).toBe(resultText);
});

test('keeps the text of numbers', () => {
  const numbers = '[9007199254740993,18446744073709551616,1.0,-0,-0.0,1e400,1E+2,0.10,12345678901234567890.123]';
  expect(canonicalJson(numbers)).toBe(numbers);
  expect(canonicalJson(` {"b" : ${numbers} , "a":0} `)).toBe(`{"a":0,"b":${numbers}}`);
});

test('sorts keys by code point, as the server does, not by UTF-16 unit', () => {
  expect(canonicalJson('{"\u{10000}":1,"\uffff":2,"é":3,"z":4,"a!":5,"a":6}')).toBe('{"a":6,"a!":5,"z":4,"é":3,"\uffff":2,"\u{10000}":1}');
});

test('is not deceived by keys whose raw text ascends while they do not', () => {
  expect(canonicalJson('{"Z":1,"\\n":2}')).toBe('{"\\n":2,"Z":1}');
  expect(canonicalJson('{"\\n":1,"\\t":2}')).toBe('{"\\t":2,"\\n":1}');
  expect(canonicalJson('{"\u{10000}":1,"\uffff":2}')).toBe('{"\uffff":2,"\u{10000}":1}');
  expect(canonicalJson('{"a!":1,"a":2}')).toBe('{"a":2,"a!":1}');
  expect(canonicalJson('{"a":1,"a!":2,"ab":3}')).toBe('{"a":1,"a!":2,"ab":3}');
});

test('escapes strings in one way, in keys and in values', () => {
  expect(canonicalJson('"\\u0041\\/\\u000a\\u001F\\u007f\\u00e9\\ud83d\\ude00\\""')).toBe('"A/\\n\\u001f\u007fé\u{1f600}\\""');
  expect(canonicalJson('"\\u0008\\u000b\\u000c\\u000d\\u001a"')).toBe('"\\b\\u000b\\f\\r\\u001a"');
  expect(canonicalJson('{"\\u0062":1,"a":2}')).toBe('{"a":2,"b":1}');
});

test('lets the last of equal keys win, however they are spelt', () => {
  expect(canonicalJson('{"a":1,"b":2,"a":3}')).toBe('{"a":3,"b":2}');
  expect(canonicalJson('{"a":1,"\\u0061":2}')).toBe('{"a":2}');
});

test('treats names of JavaScript like any other key', () => {
  const text = '{"__proto__":{"x":1},"constructor":2,"toString":3}';
  expect(canonicalJson(text)).toBe(text);
  expect([...topLevelMembers(text)]).toEqual([
    ['__proto__', '{"x":1}'],
    ['constructor', '2'],
    ['toString', '3'],
  ]);
});

test('takes as many levels as the server does, and refuses a depth that could exhaust the stack', () => {
  const nested = (depth: number, space = '') => `${`[${space}`.repeat(depth)}${']'.repeat(depth)}`;
  expect(canonicalJson(nested(128))).toBe(nested(128));
  expect(canonicalJson(nested(128, ' '))).toBe(nested(128));
  expect(() => canonicalJson(nested(JSON_DEPTH_MAX + 1))).toThrow(SyntaxError);
  expect(() => canonicalJson(nested(1_000_000))).toThrow(SyntaxError);
});

test('refuses what JSON.parse refuses', () => {
  for (const text of invalidTexts) {
    expect(() => JSON.parse(text) as unknown, text).toThrow(SyntaxError);
    expect(() => canonicalJson(text), text).toThrow(SyntaxError);
    expect(() => topLevelMembers(`{"a":${text},"b":1}`), text).toThrow(SyntaxError);
    expect(() => arrayElements(`[${text},1]`), text).toThrow(SyntaxError);
  }
});

test('agrees with JSON.parse on which texts are JSON', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '\\',
    '\\n',
    '1',
    '0',
    '-',
    '.',
    'e',
    'true',
    'null',
    ' ',
    '\n',
    '\t',
    'é',
    '\u0001',
  );
  const soup = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(soup, fc.json()), (text) => {
      expect(outcome(() => canonicalJson(text))).toBe(outcome(() => JSON.parse(text)));
    }),
    { numRuns: 2000 },
  );
});

test('gives equal values one text, whatever white space and order they come in', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(!hasKeysThatNodeMixesUp(value));
      const canonical = canonicalJson(JSON.stringify(value));
      expect(canonicalJson(JSON.stringify(reversed(value), undefined, 2))).toBe(canonical);
      expect(canonicalJson(canonical)).toBe(canonical);
      expect(JSON.parse(canonical)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

/** Node 24.21 reads the key `"` as `\\` after an object that has such a one: JSON.parse is no measure then. */
function hasKeysThatNodeMixesUp(value: unknown): boolean {
  return /"\\["\\]":/.test(JSON.stringify(value));
}

test('hands out members and elements as they stand in the text', () => {
  const text = ' { "a" : { "z" : 1.0 , "y":2 } , "\\u0062": [ 1 ] , "c":"x" } ';
  expect([...topLevelMembers(text)]).toEqual([
    ['a', '{ "z" : 1.0 , "y":2 }'],
    ['b', '[ 1 ]'],
    ['c', '"x"'],
  ]);
  expect([...canonicalMembers(text)]).toEqual([
    ['a', '{"y":2,"z":1.0}'],
    ['b', '[1]'],
    ['c', '"x"'],
  ]);
  expect(arrayElements(' [ 1.0 , {"b":1, "a":2} , [] ] ')).toEqual(['1.0', '{"b":1, "a":2}', '[]']);
  expect(topLevelMembers('{ }').size).toBe(0);
  expect(arrayElements('[ ]')).toEqual([]);
});

test('asks for an object where members are wanted, and for an array where elements are', () => {
  expect(() => topLevelMembers('[]')).toThrow(SyntaxError);
  expect(() => topLevelMembers('{} {}')).toThrow(SyntaxError);
  expect(() => arrayElements('{}')).toThrow(SyntaxError);
  expect(() => arrayElements('[] 1')).toThrow(SyntaxError);
});

function outcome(parse: () => unknown): 'json' | 'no json' {
  try {
    parse();
    return 'json';
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return 'no json';
  }
}

/** The same value with the members of every object in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  );
}
