import { expect, it } from 'vitest';
import { requireSameExpiry } from '../../../src/client/run-handle.ts';
import { parsedInput } from '../../../src/client/run-input.ts';

const HOLDER = 'rstow/expire/orders';
const FAR = { database: 'orders', apply: true, repository: 'far' };

const openOf = (input: object) => ({ holder: HOLDER, input: parsedInput(Buffer.from(JSON.stringify(input)), 'expireBackups') });

it('joins an open expiry that was asked for in the same words, and calls no other one the same or another', () => {
  expect(() => requireSameExpiry(FAR, openOf({ ...FAR, requestedBy: 'ann' }))).not.toThrow();
  const open = openOf({ database: 'orders', apply: true });
  const sentence = 'an expiry of "orders" is under way, in the first repository; this one, in repository "far", was not started';
  expect(() => requireSameExpiry(FAR, open)).toThrow(expect.objectContaining({ code: 'busy', message: sentence }));
  expect(() => requireSameExpiry({ ...FAR, despiteClocks: true }, openOf(FAR))).toThrow(/and despite the clocks, was not started$/);
});

it('says of no run that it was not started whose input can’t be read: it may be the caller’s own', () => {
  const unread = [undefined, null, Buffer.from('not json')].map((data) => parsedInput(data, 'expireBackups'));
  expect(unread).toEqual([undefined, undefined, undefined]);
  expect(() => requireSameExpiry(FAR, { holder: HOLDER, input: undefined })).not.toThrow();
});
