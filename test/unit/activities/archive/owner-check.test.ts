import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createOwnerCheck } from '../../../../src/activities/archive/owner-check.ts';
import type { ErrorCode } from '../../../../src/core/errors/error-table.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import type { Owner } from '../../../../src/formats/repository/history.ts';
import { makeScene } from '../scene.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

/** A check whose repositories answer as a test says. */
async function checked(): Promise<{
  require: () => Promise<void>;
  answers: (() => Promise<unknown>)[];
  asked: () => number;
  state: { isClone: boolean };
}> {
  const { deps } = await makeScene();
  const store = await deps.openStore('orders');
  const answers: (() => Promise<unknown>)[] = [];
  const state = { isClone: false };
  let asked = 0;
  const owner = {
    ...store.owner,
    require: async (): Promise<Owner> => {
      asked += 1;
      return (await (answers.shift() ?? (async () => Promise.resolve()))()) as Owner;
    },
  };
  const requireInstallation = async (): Promise<void> => (state.isClone ? failing('installation-cloned')() : Promise.resolve());
  const check = createOwnerCheck({ deps: { ...deps, requireInstallation }, store: { ...store, owner } });
  return { require: () => check.require(), answers, asked: () => asked, state };
}

const failing = (code: ErrorCode) => async () => Promise.reject(new RstowError(code, code));
const later = (ms: number): void => void vi.setSystemTime(Date.now() + ms);
/** Lets what is under way come to its end. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('asks the repositories every five seconds, beside the work', async () => {
  const { require, answers, asked } = await checked();
  await require();
  later(4_000);
  await require();
  expect(asked()).toBe(0);
  later(2_000);
  // It doesn't wait for an answer that never comes.
  answers.push(async () => new Promise(() => undefined));
  await require();
  await require();
  expect(asked()).toBe(1);
});

it('refuses from the answer on that names another owner', async () => {
  const { require, answers } = await checked();
  later(6_000);
  answers.push(failing('owner-outdated'));
  await require();
  await settled();
  await expect(require()).rejects.toMatchObject({ code: 'owner-outdated' });
  await expect(require()).rejects.toMatchObject({ code: 'owner-outdated' });
});

it('waits for the answer if it was frozen for longer, and whichever way its clock was set meanwhile', async () => {
  for (const ms of [21_000, -3_600_000]) {
    const { require, answers } = await checked();
    later(ms);
    answers.push(failing('owner-outdated'));
    await expect(require()).rejects.toMatchObject({ code: 'owner-outdated' });
  }
});

it('goes on for a while if no repository answers, and not for longer', async () => {
  const { require, answers } = await checked();
  answers.push(...Array.from({ length: 3 }, () => failing('repository-unavailable')));
  later(6_000);
  await require();
  await settled();
  await require();
  later(20_000);
  await expect(require()).rejects.toMatchObject({ code: 'repository-unavailable' });
});

it('looks at once whether this is still the machine that the installation was made on', async () => {
  const { require, state } = await checked();
  await require();
  state.isClone = true;
  await expect(require()).rejects.toMatchObject({ code: 'installation-cloned' });
});
