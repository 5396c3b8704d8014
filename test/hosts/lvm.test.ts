/** Real logical volumes, file systems and a real server under load, in a kernel of their own. */
import { beforeAll, describe, expect, it } from 'vitest';
import { LVM_CASES } from '../support/lvm-guest.ts';
import { lackForLvm, type LvmRun, runLvmCases } from '../support/lvm-host.ts';

const KILLS = 3;
/** A minute or two on a quiet machine; a busy one is no fault. */
const TIMEOUT_MS = 900_000;

const lack = lackForLvm();

describe.skipIf(lack !== undefined)(`LVM${lack ?? ''}`, () => {
  let run: LvmRun;

  beforeAll(async () => {
    run = await runLvmCases({ kills: KILLS, timeoutMs: TIMEOUT_MS });
  }, TIMEOUT_MS + 10_000);

  it.each(LVM_CASES)('%s', (name) => {
    const outcome = run.outcomes.get(name);
    expect(outcome, run.output).toBeDefined();
    expect(outcome?.failure).toBeUndefined();
  });
});
