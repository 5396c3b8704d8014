import { expect, it } from 'vitest';
import { rotationRound } from '../support/rotation-round.ts';

it('completes a rotation of 200 objects whose process is killed five times: all open with the new identity, and nothing is left of the old keys', async () => {
  const { result, renewedAtKills, broken } = await rotationRound({ objects: 200, kills: 5 });
  expect(broken).toEqual([]);
  expect(result).toMatchObject({ outcome: 'done', failed: 0, left: [] });
  expect(renewedAtKills).toHaveLength(5);
  expect(renewedAtKills[0]).toBeGreaterThan(0);
  expect(renewedAtKills.at(-1)).toBeLessThan(200);
});
