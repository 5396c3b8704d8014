import { expect, test } from 'vitest';
import { withinDeadline } from '../../../src/activities/activity.ts';

const never = (): Promise<never> => new Promise<never>(() => undefined);

test('leaves a body that hangs when its time is over', async () => {
  const { signal } = new AbortController();
  await expect(withinDeadline(never(), { limitMs: 20, signal })).rejects.toMatchObject({ code: 'failed' });
});

test('gives a body’s own answer or failure, also when it was told to stop', async () => {
  const stopped = AbortSignal.abort();
  await expect(withinDeadline(Promise.resolve(7), { limitMs: 20, signal: stopped })).resolves.toBe(7);
  await expect(withinDeadline(Promise.reject(new Error('its own')), { limitMs: 20, signal: stopped })).rejects.toThrow('its own');
});
