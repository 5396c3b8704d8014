import { expect, it } from 'vitest';
import { targetOf } from '../../../src/cli/target-options.ts';

it('takes the end of all that is stored, by an option of its own or as what a history alone means', () => {
  expect(targetOf({ targetLatest: true })).toEqual({ latest: true });
  expect(targetOf({ timeline: '0002' })).toEqual({ latest: true });
  expect(targetOf({})).toBeUndefined();
});

it('takes one point', () => {
  expect(() => targetOf({ targetLatest: true, targetOffset: '1099511628000' })).toThrow('--target-latest, --target-offset');
  expect(() => targetOf({ event: 'PAY' })).toThrow('need --target-before or --target-after');
});
