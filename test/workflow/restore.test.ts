import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { ErrorCode } from '../../src/core/errors/error-table.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { BACKED_UP, LABEL, PLANNED } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const input = { database: DATABASE, backup: 'latest' };
const PLACED = ['planRestore', 'stageWal', 'rehearse'];
/** In place, the plan is looked at again under the lock. */
const STAGED = ['planRestore', 'surveyData', 'planRestore', 'storeReplaced', 'stageWal', 'rehearse'];
const STOPPED = [...STAGED, 'storeReplaced', 'nameSwap', 'swapIn'];
const SWAPPED = [...STOPPED, 'verifyLive', 'noteHistory'];

const failing =
  (code: ErrorCode, sentence = 'as planted') =>
  async (): Promise<never> =>
    Promise.reject(new RstowError(code, sentence));

it('plans, stages, rehearses, swaps, compares, and clears', async () => {
  const result = await agent.execute<RestoreResult>('restore', input);
  expect(result).toMatchObject({ outcome: 'done', label: LABEL, dataDir: '/data', agent: 'db1', rehearsal: 'passed' });
  expect(result).toMatchObject({ fromTimeline: '0001', timeline: '0002', downtimeMs: 5 });
  expect(result.firstBackup).toEqual({ label: LABEL, piecesStored: 1, bytesStored: 200 });
  expect(verbsOf(agent)).toEqual([...SWAPPED, ...BACKED_UP, 'clearStaging']);
});

it('refuses before anything is fetched where what no backup holds can’t be stored, unless it may be discarded', async () => {
  agent.verbs.storeReplaced = failing('not-enough-space');
  expect(await failureOf(agent.execute('restore', input))).toMatchObject({ type: 'not-enough-space' });
  expect(verbsOf(agent)).toEqual(['planRestore', 'surveyData', 'planRestore', 'storeReplaced', 'clearStaging']);
  const unsaved = { code: 'replaced-data-unsaved', message: 'as planted' };
  agent.verbs.swapIn = async () => ({ downtimeMs: 5, unsaved });
  const result = await agent.execute<RestoreResult>('restore', { ...input, discardNewer: true });
  expect(result).toMatchObject({ outcome: 'warnings', label: LABEL, warnings: [unsaved] });
  expect(result).not.toHaveProperty('savedAs');
});

it('tells a person soon that the repository can’t take what is replaced, and frees the lock', async () => {
  agent.place.timing.patienceMs = 300;
  agent.verbs.storeReplaced = failing('repository-unavailable', 'it is mounted read-only');
  const failure = await failureOf(agent.execute('restore', input));
  expect(failure).toMatchObject({ type: 'repository-unavailable', message: 'repository-unavailable: it is mounted read-only' });
  expect(verbsOf(agent).at(-1)).toBe('clearStaging');
});

it('ends a dry run after the plan, which promises no number to a timeline that isn’t made', async () => {
  const result = await agent.execute<RestoreResult>('restore', { ...input, dryRun: true });
  expect(result).toMatchObject({ outcome: 'done', dryRun: true, fromTimeline: '0001', planHash: 'cd'.repeat(32) });
  expect(result.timeline).toBe(undefined);
  const elsewhere = await agent.execute<RestoreResult>('restore', { ...input, dryRun: true, to: { dataDir: '/elsewhere' } });
  expect(elsewhere.timeline).toBe('0001');
  expect(verbsOf(agent)).toEqual(['planRestore', 'surveyData', 'planRestore']);
});

it('shows a plan while another run holds the lock', async () => {
  const held = holdVerb({ timeline: '0002', records: 19, warnings: [] });
  agent.verbs.stageWal = held.verb;
  const holder = await agent.start('restore', input);
  await held.reached;
  expect(await agent.execute('restore', { ...input, dryRun: true })).toMatchObject({ outcome: 'done', dryRun: true });
  held.letGo();
  await holder.result();
});

it('touches nothing where its plan does not stand any more once it has the lock', async () => {
  let plans = 0;
  agent.verbs.planRestore = async () => {
    plans += 1;
    if (plans === 2) throw new RstowError('data-directory-replaced', 'as planted');
    return PLANNED;
  };
  expect(await failureOf(agent.execute('restore', input))).toMatchObject({ type: 'data-directory-replaced' });
  expect(verbsOf(agent)).toEqual(['planRestore', 'surveyData', 'planRestore']);
});

it('places elsewhere what it has rehearsed, and never swaps', async () => {
  const result = await agent.execute<RestoreResult>('restore', { ...input, to: { dataDir: '/elsewhere', agent: null } });
  expect(result).toMatchObject({ dataDir: '/elsewhere', rehearsal: 'passed' });
  expect(result.downtimeMs).toBeUndefined();
  expect(verbsOf(agent)).toEqual([...PLACED, 'placeElsewhere', 'clearStaging']);
});

it.each([
  ['stageWal', 'digest-different'],
  ['rehearse', 'rehearsal-failed'],
  ['rehearse', 'digest-different'],
] as const)('never swaps when %s fails with %s, and clears what it staged', async (verb, code) => {
  agent.verbs = { [verb]: failing(code) };
  const failure = await failureOf(agent.execute('restore', input));
  expect(failure).toMatchObject({ type: code, message: `${code}: as planted` });
  expect(verbsOf(agent)).toEqual([...STAGED.slice(0, STAGED.indexOf(verb) + 1), 'clearStaging']);
});

it.each([
  ['swapIn', 'service-start-failed'],
  ['verifyLive', 'digest-different'],
] as const)('puts the replaced data back when %s fails with %s, and says so', async (verb, code) => {
  agent.verbs = { [verb]: failing(code) };
  const failure = await failureOf(agent.execute('restore', input));
  expect(failure).toMatchObject({ type: code, message: `${code}: as planted; the replaced data are back in place` });
  expect(verbsOf(agent).slice(-2)).toEqual(['rollBack', 'clearStaging']);
  const inputOf = (called: string): unknown => agent.calls.find((call) => call.verb === called)?.input;
  expect(inputOf('rollBack')).toEqual(inputOf('swapIn'));
});

it('says both reasons when the replaced data can’t be put back', async () => {
  agent.verbs = { swapIn: failing('service-start-failed', 'it ends'), rollBack: failing('data-directory-replaced', 'somebody wrote') };
  const failure = await failureOf(agent.execute('restore', input));
  expect(failure.type).toBe('service-start-failed');
  expect(failure.message).toBe(
    'service-start-failed: it ends; and the replaced data could not be put back (data-directory-replaced: somebody wrote)',
  );
});

it.each([
  ['never-replaced', 'the old data were never moved, but no server starts on them either: service-start-failed: it ends'],
  ['replaced', 'the replaced data are back in place, but no server starts on them either: service-start-failed: it ends'],
  ['restored', 'and the replaced data could not be put back, so the restored data are in place (service-start-failed: it ends)'],
])('says truly where a failed roll-back finds the data %s', async (dataInPlace, clause) => {
  const rollBack = async (): Promise<never> =>
    Promise.reject(new RstowError('service-start-failed', 'it ends', { details: { dataInPlace } }));
  agent.verbs = { swapIn: failing('service-start-failed'), rollBack };
  const failure = await failureOf(agent.execute('restore', input));
  expect(failure).toMatchObject({ message: `service-start-failed: as planted; ${clause}`, details: [{ dataInPlace }] });
});

it('does not call data replaced that were never moved', async () => {
  agent.verbs = { swapIn: failing('service-start-failed'), rollBack: async () => ({ inPlace: 'never-replaced' }) };
  const { message } = await failureOf(agent.execute('restore', input));
  expect(message).toBe('service-start-failed: as planted; the old data were never moved, and the server runs on them');
});

it.each(['temporal-unreachable', 'repository-unavailable', 'failed'] as const)(
  'never takes the server down again after %s',
  async (code) => {
    agent.verbs = { swapIn: failing(code) };
    expect(await failureOf(agent.execute('restore', input))).toMatchObject({ type: code, message: `${code}: as planted` });
    expect(verbsOf(agent)).toEqual([...STOPPED, 'clearStaging']);
  },
);

it('asks again for a roll-back that could not be asked for, and for none that has failed', async () => {
  let attempts = 0;
  const rollBack = async (): Promise<never> => {
    attempts += 1;
    return failing(attempts === 1 ? 'repository-unavailable' : 'failed')();
  };
  agent.verbs = { swapIn: failing('service-start-failed'), rollBack };
  const { message } = await failureOf(agent.execute('restore', input));
  expect(message).toContain('could not be put back (failed: as planted)');
  expect(attempts).toBe(2);
});

it.each(['server-refused', 'invalid-config'] as const)('says which data are in place where they can’t be compared: %s', async (code) => {
  agent.verbs = { verifyLive: failing(code) };
  const failure = await failureOf(agent.execute('restore', input));
  const clause = 'the restored data are in place, the replaced ones in /data/.rstow/restores/run/replaced';
  expect(failure).toMatchObject({ type: code, message: `${code}: as planted; ${clause}` });
  expect(failure.details).toMatchObject([{ dataInPlace: 'restored', replacedAt: '/data/.rstow/restores/run/replaced' }]);
  expect(verbsOf(agent)).not.toContain('rollBack');
});

it('compares to the end, and gives its result, though it is cancelled meanwhile', async () => {
  const held = holdVerb({ warnings: [] });
  agent.verbs.verifyLive = held.verb;
  const run = await agent.start('restore', input);
  await held.reached;
  await run.cancel();
  held.letGo();
  expect(await run.result()).toMatchObject({
    outcome: 'warnings',
    warnings: [{ code: 'cancelled' }],
    replacedAt: '/data/.rstow/restores/run/replaced',
  });
});

it('rolls nothing back after a failure that left the old data in place', async () => {
  agent.verbs = { swapIn: failing('owner-outdated') };
  expect(await failureOf(agent.execute('restore', input))).toMatchObject({ type: 'owner-outdated', message: 'owner-outdated: as planted' });
  expect(verbsOf(agent)).not.toContain('rollBack');
});

it('rolls nothing back where there was nothing before', async () => {
  agent.verbs = {
    nameSwap: async () => ({ oldWal: null, newWal: { inode: '12' }, stagedWal: 'staged', replacedDir: 'replaced' }),
    swapIn: failing('service-start-failed'),
  };
  const failure = await failureOf(agent.execute('restore', input));
  expect(failure.message).toBe('service-start-failed: as planted');
  expect(verbsOf(agent)).not.toContain('rollBack');
});

it('ends with warnings where the rehearsal or the comparison was left out', async () => {
  const [first, second] = ['not-enough-memory', 'written-meanwhile'].map((code) => ({ code, message: code }));
  agent.verbs = {
    rehearse: async () => ({ rehearsal: 'skipped', warnings: [first!] }),
    verifyLive: async () => ({ warnings: [second!] }),
  };
  const result = await agent.execute<RestoreResult>('restore', input);
  expect(result).toMatchObject({ outcome: 'warnings', rehearsal: 'skipped', warnings: [first, second] });
});

it('clears what it staged when it is cancelled before the swap', async () => {
  const held = holdVerb(undefined);
  agent.verbs.stageWal = held.verb;
  const run = await agent.start('restore', input);
  await held.reached;
  await run.cancel();
  await run.result().catch(() => undefined);
  expect(await statusOf(run)).toBe('CANCELLED');
  expect(verbsOf(agent)).toEqual([...STAGED.slice(0, STAGED.indexOf('stageWal') + 1), 'clearStaging']);
});

it('names another backup where an object of this one is damaged', async () => {
  const key = 'databases/orders/wal/0001/0000000000000001/0000000000-00000001f4.wal.zst';
  agent.verbs = {
    stageWal: async () => Promise.reject(new RstowError('damaged-object', `${key} is missing`, { details: { key } })),
    findAlternative: async () => ({ kind: 'older', label: '20261123T101500Z-hot' }),
  };
  const failure = await failureOf(agent.execute('restore', input));
  expect(failure.message).toBe(
    `damaged-object: ${key} is missing; backup 20261123T101500Z-hot does not need it and can be restored instead`,
  );
  expect(failure.details).toMatchObject([{ key, alternative: '20261123T101500Z-hot' }]);
});
