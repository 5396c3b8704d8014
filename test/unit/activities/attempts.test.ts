import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createAttempts } from '../../../src/activities/attempts.ts';

const never = new AbortController().signal;

it('ends the earlier attempt of a step, and lets the later one begin when that has ended', async () => {
  const attempts = createAttempts();
  const happened: string[] = [];
  const first = attempts.begin('run/rehearse/1');
  await first.turn(never);
  const second = attempts.begin('run/rehearse/1');
  expect(first.overtaken.aborted).toBe(true);
  expect(first.overtaken.reason).toMatchObject({ code: 'failed' });
  const turn = second.turn(never).then(() => happened.push('second began'));
  await sleep(20);
  happened.push('first ended');
  first.end();
  await turn;
  expect(happened).toEqual(['first ended', 'second began']);
  expect(second.overtaken.aborted).toBe(false);
});

it('keeps a third attempt waiting for all before it', async () => {
  const attempts = createAttempts();
  const [first, second, third] = ['step', 'step', 'step'].map((step) => attempts.begin(step));
  const began: string[] = [];
  const turn = third!.turn(never).then(() => began.push('third'));
  second!.end();
  await sleep(20);
  expect(began).toEqual([]);
  first!.end();
  await turn;
});

it('leaves attempts of other steps alone, and those that come after the end of one', async () => {
  const attempts = createAttempts();
  const one = attempts.begin('a');
  await attempts.begin('b').turn(never);
  expect(one.overtaken.aborted).toBe(false);
  one.end();
  await attempts.begin('a').turn(never);
});

it('waits for an attempt that hangs no longer than its patience, or until it is cancelled itself', async () => {
  const attempts = createAttempts(50);
  attempts.begin('hung');
  await attempts.begin('hung').turn(never);
  const patient = createAttempts();
  patient.begin('hung');
  await expect(patient.begin('hung').turn(AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('aborted');
});
