import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/backup/selection.ts';
import { choosePoint, type History, KINDS, makeHistories, provePoint } from '../support/any-point.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import { makeOddSource } from '../support/odd-source.ts';

const POINTS = Number(process.env['RSTOW_POINTS'] ?? 30);

let stack: DatabaseStack;
let histories: [History, History];

beforeAll(async () => {
  stack = await makeOddSource({ segmentSizeMb: 1, database: { rehearsal: { policy: 'off' } } });
  histories = await makeHistories(stack);
  for (const { wal } of histories) expect(wal.size).toBeGreaterThan(1);
});
afterAll(() => stack.remove());

// With RSTOW_POINTS=300 it does the same ten times as often; docs/evidence.md has the outcome.
it.each(Array.from({ length: POINTS }, (_, index) => index))(
  'recovers a point of either history: the bytes before it, the state of the offline prefix, a server that lives (%i)',
  async (index) => {
    const history = histories[index % 2]!;
    const kind = KINDS[Math.floor(index / 2) % KINDS.length]!;
    const random = seededRandom(index);
    const records = await provePoint(stack, history, choosePoint(history, kind, [random(), random()]));
    expect(records).toBeLessThanOrEqual(history.records.length);
  },
);
