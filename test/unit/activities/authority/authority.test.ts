/** What an agent takes an operator's word for, and what it doesn't. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, it, vi } from 'vitest';
import { checkApproval, checkStart, requireAuthority } from '../../../../src/activities/authority/authority.ts';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import type { RunChain, RunPort } from '../../../../src/activities/run-port.ts';
import type { Signature, Statement } from '../../../../src/core/authority/statement.ts';
import { operatorKeyOf } from '../../../../src/io/signing/operator-key.ts';
import { newPrivateKeyText } from '../../../../src/io/signing/ssh-key.ts';
import { DATABASE, makeScene, runOf as plainRun } from '../scene.ts';

const MINUTE_MS = 60_000;
const PLAN = 'ab'.repeat(32);
const OTHER_PLAN = 'cd'.repeat(32);
const input = { database: DATABASE, backup: 'latest' };

const ann = operatorKeyOf(newPrivateKeyText(), 'ann.key');
const bob = operatorKeyOf(newPrivateKeyText(), 'bob.key');
const stranger = operatorKeyOf(newPrivateKeyText(), 'stranger.key');

let deps: ActivityDeps;
let chain: RunChain;

beforeEach(async () => {
  ({ deps } = await makeScene());
  deps = { ...deps, config: { ...deps.config, operators: { ann: ann.publicLine, bob: `${bob.publicLine} bob@ops` } } };
  chain = newChain();
});

const newChain = (): RunChain => ({
  workflowId: `rstow/orders/restore/${randomUUID()}`,
  firstRunId: randomUUID(),
  workflowType: 'restore',
});

const runOf = (of: RunChain): RunPort => ({ ...plainRun(randomUUID()), chain: async () => of });

const startOf = (of: RunChain): Statement => ({ purpose: 'start', workflowType: of.workflowType, workflowId: of.workflowId, input });
const approvalOf = (of: RunChain, hash = PLAN): Statement => ({
  purpose: 'approve',
  workflowId: of.workflowId,
  firstRunId: of.firstRunId,
  hash,
});

function start(signature: Signature | null, of = chain) {
  return checkStart(deps)({ database: DATABASE, input, signature, planHash: PLAN }, runOf(of));
}

function approve(signature: Signature | undefined, planHash = PLAN) {
  const approval = { planHash, by: 'somebody', ...(signature === undefined ? {} : { signature }) };
  return checkApproval(deps)({ database: DATABASE, input, planHash: PLAN, approval }, runOf(chain));
}

const swapOf = (planHash = PLAN, of = chain) => requireAuthority(deps, runOf(of), { database: DATABASE, planHash });

function wantTwo(): void {
  const database = { ...deps.config.databases[DATABASE]!, approval: { for: ['restore' as const], expiresMs: 1000 } };
  deps = { ...deps, config: { ...deps.config, databases: { [DATABASE]: database } } };
}

it('asks nobody to sign where the config names no operators', async () => {
  deps = { ...deps, config: { ...deps.config, operators: undefined } };
  expect(await start(null)).toBeNull();
  await swapOf();
});

it('takes the start that an operator signed, again and again, for the run and whatever continues it', async () => {
  const signature = ann.sign(startOf(chain), Date.now());
  expect(await start(signature)).toMatchObject({ operatorsNeeded: 1, operators: ['ann'], refusal: null });
  expect(await start(signature)).toMatchObject({ operators: ['ann'], refusal: null });
  await swapOf();
  await swapOf(OTHER_PLAN);
});

it('still takes it after ten minutes, where it was taken in time', async () => {
  const signature = ann.sign(startOf(chain), Date.now());
  await start(signature);
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60 * MINUTE_MS);
  expect(await start(signature)).toMatchObject({ operators: ['ann'], refusal: null });
  vi.restoreAllMocks();
});

it('lets nothing be replaced by a run that nobody signed', async () => {
  expect(await start(null)).toMatchObject({ operatorsNeeded: 1, operators: [], refusal: null });
  await expect(swapOf()).rejects.toMatchObject({ code: 'signature-refused', details: { operators: [], needed: 1 } });
});

it.each<[string, () => unknown, RegExp]>([
  [
    'is forged',
    () => ({ ...stranger.sign(startOf(chain), Date.now()), keyId: ann.sign(startOf(chain), 0).keyId }),
    /what "ann" signed is something else/,
  ],
  [
    'is by a key that nobody configured',
    () => stranger.sign(startOf(chain), Date.now()),
    /is not one of this agent's operators \(ann, bob\)/,
  ],
  ['is of another run', () => ann.sign(startOf(newChain()), Date.now()), /what "ann" signed is something else/],
  ['is eleven minutes old', () => ann.sign(startOf(chain), Date.now() - 11 * MINUTE_MS), /it was made 660 s ago, and is good for 600 s/],
  ['is of the future', () => ann.sign(startOf(chain), Date.now() + 11 * MINUTE_MS), /660 s in the future: the clocks/],
  ['is no signature at all', () => ({ keyId: 'x' }), /field "signature\.signedAtMs" is missing/],
])('does not take a start whose signature %s, says why, and lets nothing be replaced', async (_what, signature, why) => {
  expect(await start(signature() as Signature)).toMatchObject({ operators: [], refusal: expect.stringMatching(why) as string });
  await expect(swapOf()).rejects.toMatchObject({ code: 'signature-refused' });
});

it('takes a signature for one run only, although another one has the same id', async () => {
  const signature = ann.sign(startOf(chain), Date.now());
  await start(signature);
  const again = { ...chain, firstRunId: randomUUID() };
  const refusal = expect.stringContaining(
    `signed it for run ${chain.workflowId} (${chain.firstRunId}), and it is good for one run only`,
  ) as string;
  expect(await start(signature, again)).toMatchObject({ operators: [], refusal });
  await expect(swapOf(PLAN, again)).rejects.toMatchObject({ code: 'signature-refused' });
});

it('takes an approval of the plan, for that plan only', async () => {
  expect(await approve(ann.sign(approvalOf(chain), Date.now()))).toMatchObject({ operators: ['ann'] });
  await swapOf();
  await expect(swapOf(OTHER_PLAN)).rejects.toMatchObject({ code: 'signature-refused' });
});

it('takes an approval of the request as if its operator had started the run', async () => {
  const { requestHash } = (await start(null))!;
  expect(await approve(ann.sign(approvalOf(chain, requestHash), Date.now()), requestHash)).toMatchObject({ operators: ['ann'] });
  await swapOf(OTHER_PLAN);
});

it.each<[string, () => Signature | undefined, RegExp]>([
  ['has no signature', () => undefined, /the approval is not signed/],
  ['is signed for another plan', () => ann.sign(approvalOf(chain, OTHER_PLAN), Date.now()), /what "ann" signed is something else/],
  ['is signed for another run', () => ann.sign(approvalOf(newChain()), Date.now()), /what "ann" signed is something else/],
  ['was signed too long ago', () => ann.sign(approvalOf(chain), Date.now() - 11 * MINUTE_MS), /660 s ago/],
  ['is a start', () => ann.sign(startOf(chain), Date.now()), /what "ann" signed is something else/],
])('refuses an approval that %s', async (_what, signature, why) => {
  await expect(approve(signature())).rejects.toMatchObject({ code: 'signature-refused', message: expect.stringMatching(why) as string });
  await expect(swapOf()).rejects.toMatchObject({ code: 'signature-refused' });
});

it('lets a step that is of no plan go on for whatever was signed for its run, and for nothing else', async () => {
  const step = (): Promise<void> => requireAuthority(deps, runOf(chain), { database: DATABASE, isPreparing: true });
  await expect(step()).rejects.toMatchObject({ code: 'signature-refused' });
  await approve(ann.sign(approvalOf(chain), Date.now()));
  await step();
});

it('wants two operators where the policy wants another person, and counts keys, not names', async () => {
  wantTwo();
  expect(await start(ann.sign(startOf(chain), Date.now()))).toMatchObject({ operatorsNeeded: 2, operators: ['ann'] });
  await expect(swapOf()).rejects.toMatchObject({ code: 'signature-refused' });
  await expect(approve(ann.sign(approvalOf(chain), Date.now()))).rejects.toMatchObject({ code: 'approval-denied' });
  expect(await approve(bob.sign(approvalOf(chain), Date.now()))).toMatchObject({ operators: ['ann', 'bob'] });
  await swapOf();
});

it('takes back the word of an operator whom the config names no more', async () => {
  await start(ann.sign(startOf(chain), Date.now()));
  deps = { ...deps, config: { ...deps.config, operators: { bob: bob.publicLine } } };
  await expect(swapOf()).rejects.toMatchObject({ code: 'signature-refused' });
});
