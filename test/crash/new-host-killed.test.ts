import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type BurningHosts, openBurningHosts, RECOVERY_TIMEOUT_MS } from './support/killed-recovery.ts';
import { SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { recoveryPoint } from './support/recovery-point.ts';
import { brokenRecoveryPromises } from './support/recovery-promises.ts';

let hosts: BurningHosts;

beforeAll(async () => {
  hosts = await openBurningHosts({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
}, SET_UP_TIMEOUT_MS);

afterAll(() => hosts.close());

it.each([
  ['before it owns the database', ['0.6 MB are staged', 'the rehearsal server runs'], ['nothing', 'nothing']],
  ['when it owns the database, and before its server starts', ['it has become the owner', 'no server can start'], ['nothing', 'refuses']],
])(
  'completes a recovery onto an empty host whose agent is killed %s',
  { timeout: RECOVERY_TIMEOUT_MS },
  async (_when, names, walAtKills) => {
    const recovery = await hosts.recoverWithKills(names.map(recoveryPoint));
    expect(recovery.killed.walAtKills).toEqual(walAtKills);
    expect(await brokenRecoveryPromises(recovery)).toEqual([]);
  },
);
