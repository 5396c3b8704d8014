import { expect, it } from 'vitest';
import { expiryRound } from '../support/expiry-round.ts';

it('lacks no piece that a backup needs after each of five kills, and leaves no orphan after two more runs; the held backup stays', async () => {
  const { killed, results, broken } = await expiryRound({ kills: 5 });
  expect(broken).toEqual([]);
  expect(killed).toHaveLength(5);
  expect(results.at(-1)).toMatchObject({ keepCount: 2, expireCount: 0 });
});
