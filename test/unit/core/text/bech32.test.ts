import { describe, expect, it } from 'vitest';
import { isBech32 } from '../../../../src/core/text/bech32.ts';

const RECIPIENT = 'age1ajjjjyqmfgqzl7j8fyh62jaf3544wm3cuk84fet8megehdejy4dquj9dqf';

describe('Bech32', () => {
  it('takes a recipient of age', () => {
    expect(isBech32(RECIPIENT, 'age')).toBe(true);
  });

  it('finds any character that was mistyped, left out or exchanged with its neighbour', () => {
    for (let position = 4; position < RECIPIENT.length; position += 1) {
      const [before, character, after] = [RECIPIENT.slice(0, position), RECIPIENT.charAt(position), RECIPIENT.slice(position + 1)];
      expect(isBech32(`${before}${character === 'q' ? 'p' : 'q'}${after}`, 'age'), `at ${position}`).toBe(false);
      expect(isBech32(`${before}${after}`, 'age'), `without ${position}`).toBe(false);
      if (after !== '' && after[0] !== character) {
        expect(isBech32(`${before}${after.charAt(0)}${character}${after.slice(1)}`, 'age'), `exchanged at ${position}`).toBe(false);
      }
    }
  });

  it('takes no other kind of text', () => {
    for (const text of ['', 'age1', 'age', RECIPIENT.toUpperCase(), `x${RECIPIENT}`, 'age1b', 'ssh-ed25519 AAAA'])
      expect(isBech32(text, 'age')).toBe(false);
  });
});
