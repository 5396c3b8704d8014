import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createAttempts } from '../../../src/activities/activity.ts';
import type { StepOfRun } from '../../../src/activities/run-port.ts';

const never = new AbortController().signal;

const of = (step: string, execution = 'first', run = 'run'): StepOfRun => ({ run, execution, step });

it('ends the earlier attempt of a step, and lets the later one begin when that has ended', async () => {
  const attempts = createAttempts();
  const happened: string[] = [];
  const first = attempts.begin(of('rehearse/1'));
  await first.turn(never);
  const second = attempts.begin(of('rehearse/1'));
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
  const [first, second, third] = ['step', 'step', 'step'].map((step) => attempts.begin(of(step)));
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
  const one = attempts.begin(of('a'));
  await attempts.begin(of('b')).turn(never);
  expect(one.overtaken.aborted).toBe(false);
  one.end();
  await attempts.begin(of('a')).turn(never);
});

it('waits for an attempt that hangs no longer than its patience, or until it is cancelled itself', async () => {
  const attempts = createAttempts(50);
  attempts.begin(of('hung'));
  await attempts.begin(of('hung')).turn(never);
  const patient = createAttempts();
  patient.begin(of('hung'));
  await expect(patient.begin(of('hung')).turn(AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('aborted');
});

it('ends whatever an execution of a run still does when another one of that run begins, and no other run’s', async () => {
  const attempts = createAttempts();
  const [staging, probing, others] = [of('stageWal/3'), of('probe/4'), of('stageWal/3', 'first', 'other')].map((step) =>
    attempts.begin(step),
  );
  expect(staging!.overtaken.aborted).toBe(false);
  const began: string[] = [];
  const reset = attempts.begin(of('planRestore/2', 'reset'));
  expect([staging, probing, others].map((attempt) => attempt!.overtaken.aborted)).toEqual([true, true, false]);
  const turn = reset.turn(never).then(() => began.push('reset'));
  staging!.end();
  await sleep(20);
  expect(began).toEqual([]);
  probing!.end();
  await turn;
});
