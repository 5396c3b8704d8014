import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { UndoRestoreResult } from '../../src/contract/undo-restore.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { BACKED_UP } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const input = { database: DATABASE };
const PLANNED = ['findReplaced', 'planRestore', 'surveyData'];
const PLACED = ['stageWal', 'rehearse', 'storeReplaced', 'nameSwap', 'swapIn', 'verifyLive', 'noteHistory'];

it('restores the backup that holds what was replaced, with all that a restore does', async () => {
  const found = { code: 'torn-tail', message: 'left out' };
  const undoes = { runId: '3f2a91bc' };
  agent.verbs.findReplaced = async () => ({ label: 'B-tail', repository: 'local', undoes, warnings: [found] });
  const result = await agent.execute<UndoRestoreResult>('undoRestore', { ...input, restore: '3f2a' });
  expect(result).toMatchObject({ outcome: 'warnings', undoes, warnings: [found], rehearsal: 'passed', timeline: '0002' });
  expect(verbsOf(agent)).toEqual([...PLANNED, 'planRestore', 'storeReplaced', ...PLACED, ...BACKED_UP, 'clearStaging']);
  const inputOf = (verb: string): unknown => agent.calls.find((call) => call.verb === verb)?.input;
  expect(inputOf('findReplaced')).toMatchObject({ database: DATABASE, restore: '3f2a' });
  expect(inputOf('planRestore')).toMatchObject({ backup: 'B-tail', repository: 'local' });
});

it('ends a dry run after the plan', async () => {
  const result = await agent.execute<UndoRestoreResult>('undoRestore', { ...input, dryRun: true });
  expect(result).toMatchObject({ outcome: 'done', dryRun: true, planHash: 'cd'.repeat(32) });
  expect(verbsOf(agent)).toEqual(PLANNED);
});

it('says that there is nothing to undo, and touches nothing', async () => {
  agent.verbs.findReplaced = async () => Promise.reject(new RstowError('nothing-to-undo', 'there is no safety copy in /data'));
  expect(await failureOf(agent.execute('undoRestore', input))).toMatchObject({
    type: 'nothing-to-undo',
    message: 'nothing-to-undo: there is no safety copy in /data',
  });
  expect(verbsOf(agent)).toEqual(['findReplaced']);
});
