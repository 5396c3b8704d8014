import { beforeEach, expect, test } from 'vitest';
import type { Activities } from '../../../src/activities/activities.ts';
import type { Place } from '../../../src/activities/catalogue/locate.ts';
import type { RestoreResult } from '../../../src/contract/restore.ts';
import type { ErrorCode } from '../../../src/core/errors/error-table.ts';
import { type ErrorDetails, RstowError } from '../../../src/core/errors/rstow-error.ts';
import { localEngine } from '../../../src/local/local-engine.ts';
import { restore } from '../../../src/workflows/restore.ts';
import { plausibleVerbs } from '../../workflow/plausible-verbs.ts';

let verbs: Partial<Activities>;
let phases: string[];

beforeEach(() => {
  verbs = {};
  phases = [];
});

function restoreOrders(): Promise<RestoreResult> {
  const unused = (): never => {
    throw new Error('no Temporal here');
  };
  const plausible = plausibleVerbs({ place: () => ({ agent: 'db1' }) as Place, findLockHolder: unused });
  const all = { ...plausible, ...verbs };
  const input = { database: 'orders', backup: 'latest' };
  return restore(
    input,
    localEngine({ type: 'restore', database: 'orders', runId: 'local-1', verbs: all, phase: (phase) => phases.push(phase) }),
  );
}

const failing =
  (code: ErrorCode, details: ErrorDetails = {}) =>
  async (): Promise<never> =>
    Promise.reject(new RstowError(code, 'as planted', { details }));

test('what was staged and can’t be cleared makes no failure of a restore that held', async () => {
  verbs.clearStaging = failing('failed');
  await expect(restoreOrders()).resolves.toMatchObject({ outcome: 'warnings', warnings: [{ code: 'no-backup-yet' }], downtimeMs: 5 });
  expect(phases.at(-1)).toBe('clearing the staged files failed, the agent will do it: as planted');
});

test('what was staged and can’t be cleared hides no failure', async () => {
  verbs = { rehearse: failing('rehearsal-failed'), clearStaging: failing('failed') };
  await expect(restoreOrders()).rejects.toMatchObject({ code: 'rehearsal-failed' });
});

test.each([
  ['replaced', 'the replaced data are back in place, but no server starts on them either: service-start-failed: as planted'],
  ['never-replaced', 'the old data were never moved, but no server starts on them either: service-start-failed: as planted'],
  ['restored', 'and the replaced data could not be put back, so the restored data are in place (service-start-failed: as planted)'],
])('a roll-back that fails with the data %s says so, as the workflow does', async (dataInPlace, clause) => {
  verbs = { swapIn: failing('digest-different'), rollBack: failing('service-start-failed', { dataInPlace }) };
  await expect(restoreOrders()).rejects.toMatchObject({ code: 'digest-different', message: `as planted; ${clause}` });
});

test('a failure after the swap that calls no data bad says that the restored ones are in place', async () => {
  verbs.verifyLive = failing('server-refused');
  await expect(restoreOrders()).rejects.toMatchObject({
    message: 'as planted; the restored data are in place, the replaced ones in /data/.rstow/restores/run/replaced',
    details: { dataInPlace: 'restored', replacedAt: '/data/.rstow/restores/run/replaced' },
  });
});
