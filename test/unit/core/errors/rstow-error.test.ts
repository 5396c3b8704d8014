import { expect, test } from 'vitest';
import { activityFailure } from '../../../../src/activities/activity.ts';
import { parseHotBackupInput } from '../../../../src/contract/hot-backup.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';

const HUGE = 'x'.repeat(1_900_000);
const SMALL = 20_000;

test('keeps an error’s sentence and details small, whatever they are made of', () => {
  const error = new RstowError('failed', HUGE, { details: { text: HUGE, list: Array.from({ length: 10_000 }, () => HUGE.slice(0, 90)) } });
  expect(error.message).toMatch(/^x+… \(1900000 characters\)$/);
  expect(JSON.stringify([error.message, error.details]).length).toBeLessThan(SMALL);
});

test('keeps a failure small whose cause is a foreign error of any length', () => {
  const foreign = new Error(HUGE, { cause: new Error(HUGE, { cause: new Error(HUGE) }) });
  const failure = activityFailure(foreign);
  const links = [failure, failure.cause, failure.cause?.cause] as Error[];
  expect(links.map(({ message, stack }) => message + (stack ?? '')).join('').length).toBeLessThan(4 * SMALL);
});

test('refuses a field whose name is two million characters long, at once and in a sentence', () => {
  const startedAtMs = performance.now();
  expect(() => parseHotBackupInput([{ database: 'orders', [HUGE]: 1 }])).toThrow(/^field "x+… \(1900000 characters\)" is unknown$/);
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});
