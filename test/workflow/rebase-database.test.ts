import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { RebaseDatabaseResult } from '../../src/contract/rebase-database.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { BACKED_UP, DIGESTED, LABEL, PLANNED } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => {
  agent.reset();
  agent.verbs.planRestore = async () => ({ ...PLANNED, baseline, lackingInPlace: 2 });
});
afterAll(() => agent.stop());

const input = { database: DATABASE };
const baseline = { segment: '0000000000000004', replacedBytes: 300, writtenBeforeMs: 1 };
const inputOf = (verb: string): unknown => agent.calls.find((call) => call.verb === verb)?.input;

it('backs up, restores that behind a baseline, and carries over what was written meanwhile, before the swap and in it', async () => {
  const result = await agent.execute<RebaseDatabaseResult>('rebaseDatabase', input);
  expect(result).toMatchObject({ outcome: 'done', timeline: '0002', lacking: 2, rehearsal: 'passed', savedAs: '20261124T101600Z-tail' });
  expect(result.log?.after.sizeBytes).toBeLessThan(result.log?.before.sizeBytes ?? 0);
  const planned = ['planRestore', 'planRestore', 'surveyData', 'planRestore'];
  const placed = ['storeReplaced', 'stageWal', 'rehearse', 'carryOver', 'storeReplaced', 'nameSwap', 'swapIn', 'verifyLive', 'noteHistory'];
  expect(verbsOf(agent)).toEqual([...BACKED_UP, ...planned, ...placed, ...BACKED_UP, 'clearStaging']);
  expect(inputOf('planRestore')).toMatchObject({ backup: LABEL, isRebase: true });
  expect(inputOf('swapIn')).toMatchObject({ isRebase: true, tail: { isRequired: true } });
  expect(inputOf('verifyLive')).toMatchObject({ carried: '20261124T101600Z-tail' });
});

it('says once what the backups before and behind the swap both warn of', async () => {
  const compaction = { code: 'compaction-on', message: 'automatic compaction is on' };
  agent.verbs.digestState = async () => ({ ...DIGESTED, warnings: [compaction] });
  const { warnings } = await agent.execute<RebaseDatabaseResult>('rebaseDatabase', input);
  expect(warnings).toEqual([compaction]);
});

it('plans on the newest backup in a dry run, and makes none', async () => {
  const result = await agent.execute<RebaseDatabaseResult>('rebaseDatabase', { ...input, dryRun: true });
  expect(result).toMatchObject({ outcome: 'done', dryRun: true, lacking: 2 });
  expect(verbsOf(agent)).toEqual(['planRestore', 'planRestore', 'surveyData']);
  expect(inputOf('planRestore')).toMatchObject({ backup: 'latest' });
});

it('leaves a log alone that is as short as it can be, unless the data directory lacks some of it', async () => {
  agent.verbs.planRestore = async () => ({ ...PLANNED, lackingInPlace: 0 });
  expect(await agent.execute('rebaseDatabase', input)).toMatchObject({ outcome: 'not-needed', label: LABEL });
  expect(verbsOf(agent)).toEqual([...BACKED_UP, 'planRestore']);
  agent.verbs.planRestore = async () => ({ ...PLANNED, lackingInPlace: 1 });
  expect(await agent.execute('rebaseDatabase', input)).toMatchObject({ outcome: 'done', lacking: 1 });
});

it('stops no server whose next start takes changes back', async () => {
  const older = { code: 'state-older', message: 'a start takes back the last change of 1 (o-1)' };
  agent.verbs.digestState = async () => ({ ...DIGESTED, warnings: [older] });
  const failure = await failureOf(agent.execute('rebaseDatabase', input));
  expect(failure).toMatchObject({ type: 'restart-unsafe', message: expect.stringContaining(older.message) as string });
  expect(verbsOf(agent)).toEqual(BACKED_UP);
});

it('touches nothing if what was written can’t be carried over', async () => {
  agent.verbs.carryOver = async () => Promise.reject(new RstowError('wal-gap', 'segment 7 was deleted since it was backed up'));
  expect(await failureOf(agent.execute('rebaseDatabase', input))).toMatchObject({ type: 'wal-gap' });
  expect(verbsOf(agent)).not.toContain('swapIn');
  expect(verbsOf(agent).at(-1)).toBe('clearStaging');
});
