import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { TestPoint } from '../activities/recovery-test/test-point.ts';
import { parseTestRecoveryInput, type TestRecoveryInput, type TestRecoveryResult } from '../contract/test-recovery.ts';
import { outcomeOf } from '../contract/result.ts';
import { isTestOutcome } from '../core/errors/object-damage.ts';
import { damagedKeyOf } from './alternative.ts';
import { cleanup, step, transfer } from './activity-proxies.ts';
import { placeAnywhere, placeOfAgent } from './place.ts';
import { compensate } from './compensation.ts';
import type { Run } from './run.ts';
import { runFailure } from './run-failure.ts';
import { workflow } from './workflow.ts';

const SEED_VALUES = 2 ** 32;

/** Recovers a backup in a scratch place, on a real server, and remembers whether that held. Production is not touched. */
export const testRecovery = workflow(
  'testRecovery',
  parseTestRecoveryInput,
  async (input: TestRecoveryInput, run): Promise<TestRecoveryResult> => {
    const { database, agent, backup = 'latest' } = input;
    // The sandbox's own random numbers are part of the history: a replay draws the same.
    const seed = input.seed ?? Math.floor(Math.random() * SEED_VALUES);
    run.phase('looking for an agent', `an agent that reaches the repository of ${database}`);
    const place = agent === undefined ? await placeAnywhere(database, input.repository) : await placeOfAgent(agent, database);
    run.placed(place);
    const wanted = input.repository === undefined ? {} : { repository: input.repository };
    const point = await step(place).chooseTestPoint({ database, backup, seed, ...wanted });
    const test: Test = { input, run, place, point, seed };
    try {
      const result = await carryOut(test);
      await remember(test, { held: true, result });
      return result;
    } catch (error) {
      const failure = runFailure(error);
      if (failure instanceof ApplicationFailure && !isCancellation(error) && isTestOutcome(failure.type)) {
        await compensate('remembering the failed test', () => remember(test, { held: false, failure }));
      }
      throw error;
    } finally {
      await compensate('clearing the scratch place', () => cleanup(place).clearTest({ database }));
    }
  },
);

type Test = { input: TestRecoveryInput; run: Run; place: Place; point: TestPoint; seed: number };

async function carryOut({ input, run, place, point, seed }: Test): Promise<TestRecoveryResult> {
  const { database } = input;
  run.phase(`fetching ${point.label}`);
  const { label, repository, position } = point;
  const at = position === undefined ? {} : { position };
  const { fetchMs, replayMs, ...staged } = await transfer(place).stageTest({ database, repository, label, ...at });
  run.phase('a real server boots, compares, writes and restarts twice');
  const assertions = input.assertions === undefined ? {} : { assertions: input.assertions };
  const tested = await transfer(place).testServer({ database, staged: { ...staged, fetchMs, replayMs }, ...assertions });
  const { assertionsHeld, ...serverPhases } = tested;
  return {
    ...{ outcome: outcomeOf(point.warnings), runId: run.runId, database, warnings: point.warnings },
    ...{ label: point.label, repository: point.repository, agent: place.agent },
    ...(point.position === undefined ? {} : { seed }),
    ...staged,
    assertionsHeld,
    rtoMs: fetchMs + replayMs + serverPhases.startMs,
    phases: { fetchMs, replayMs, ...serverPhases },
    durationMs: Date.now() - run.startedAtMs,
  };
}

type Verdict = { held: true; result: TestRecoveryResult } | { held: false; failure: ApplicationFailure };

/** A fact of this day: an auditor's population has the failed tests too. */
async function remember({ input, place, point, seed }: Test, verdict: Verdict): Promise<void> {
  const common = { label: point.label, agent: place.agent, atMs: Date.now(), ...(point.position === undefined ? {} : { seed }) };
  const fact = verdict.held
    ? { ...common, held: true, end: verdict.result.extents.end, ...rtoOf(verdict.result) }
    : { ...common, held: false, assertionsHeld: 0, failure: toldOf(verdict.failure) };
  await step(place).recordTest({ database: input.database, repository: point.repository, fact });
}

function toldOf(failure: ApplicationFailure): { code: string; sentence: string; key?: string } {
  const key = damagedKeyOf(failure);
  return { code: failure.type ?? 'failed', sentence: failure.message, ...(key === undefined ? {} : { key }) };
}

function rtoOf({ assertionsHeld, rtoMs }: TestRecoveryResult): { assertionsHeld: number; rtoMs: number } {
  return { assertionsHeld, rtoMs };
}
