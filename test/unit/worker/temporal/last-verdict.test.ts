import { expect, it } from 'vitest';
import { createLastVerdict } from '../../../../src/worker/temporal/last-verdict.ts';

const silent = (count: number): undefined[] => Array.from({ length: count }, () => undefined);

async function* newestFirst<Verdict>(verdicts: readonly Verdict[]): AsyncGenerator<Verdict> {
  yield* verdicts;
}

it('looks behind dozens of dry runs, and keeps its verdict behind more of them', async () => {
  const lastVerdict = createLastVerdict<string>();
  for (const count of [99, 11, 0, 100, 10_000]) {
    expect(await lastVerdict('orders/expireBackups', newestFirst([...silent(count), 'failed', 'done'])), String(count)).toBe('failed');
  }
  expect(await lastVerdict('orders/expireBackups', newestFirst(['done', ...silent(100), 'failed']))).toBe('done');
  expect(await lastVerdict('orders/expireBackups', newestFirst([...silent(100), 'done']))).toBe('done');
});

it('knows nothing of what Temporal has forgotten, nor by another key', async () => {
  const lastVerdict = createLastVerdict<string>();
  expect(await lastVerdict('orders/expireBackups', newestFirst(['failed']))).toBe('failed');
  expect(await lastVerdict('bills/expireBackups', newestFirst(silent(100)))).toBeUndefined();
  expect(await lastVerdict('orders/expireBackups', newestFirst(silent(99)))).toBeUndefined();
  expect(await lastVerdict('orders/expireBackups', newestFirst(silent(100)))).toBeUndefined();
});
