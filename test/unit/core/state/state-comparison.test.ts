import { expect, test } from 'vitest';
import { canonicalJson } from '../../../../src/core/json/canonical-json.ts';
import { sameState } from '../../../../src/core/state/server-comparison.ts';

const same = (a: string, b: string) => sameState(canonicalJson(a), canonicalJson(b));

test('forgives the drift of doubles that a restart of the server causes', () => {
  expect(same('{"a":[0.12345678901234568,"x"],"b":1e300}', '{"a":[0.12345678901234567,"x"],"b":1.0000000000000001e300}')).toBe(true);
  expect(same('-123456.78901234567', '-123456.78901234568')).toBe(true);
  expect(same('{"a":0.5}', '{"a":0.5000000000001}')).toBe(false);
  expect(same('{"a":0.5}', '{"a":-0.5}')).toBe(false);
});

test('forgives nothing else', () => {
  expect(same('{"a":9007199254740993}', '{"a":9007199254740992}')).toBe(false);
  expect(same('{"a":1}', '{"a":1.0}')).toBe(false);
  expect(same('{"a":"0.12345678901234568"}', '{"a":"0.12345678901234567"}')).toBe(false);
  expect(same('{"a":1.5}', '{"b":1.5}')).toBe(false);
  expect(same('[1.5]', '[1.5,1.5]')).toBe(false);
  expect(same('true', 'false')).toBe(false);
  expect(same('"1.5\\"1.5"', '"1.5\\"1.50"')).toBe(false);
});

test('compares long strings without running out of stack', () => {
  const long = 'x\\n'.repeat(1_000_000);
  expect(same(`{"a":"${long}","b":1.5}`, `{"a":"${long}","b":1.5000000000000002}`)).toBe(true);
});
