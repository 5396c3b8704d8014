import type { Place } from '../activities/catalogue/locate.ts';
import type { TestPoint } from '../activities/recovery-test/test-steps.ts';
import type { TestRecoveryInput, TestRecoveryResult } from '../contract/test-recovery.ts';
import { outcomeOf } from '../contract/result.ts';
import { isTestOutcome } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type Failed, failedOf } from './alternative.ts';
import type { Engine } from './engine.ts';

const SEED_VALUES = 2 ** 32;

/** Recovers a backup in a scratch place, on a real server, and remembers whether that held. Production is not touched. */
export async function testRecovery(input: TestRecoveryInput, engine: Engine): Promise<TestRecoveryResult> {
  const { database, agent, backup = 'latest', repository } = input;
  const seed = input.seed ?? Math.floor(engine.chance() * SEED_VALUES);
  engine.phase('looking for an agent', `an agent that reaches the repository of ${database}`);
  const place = await (agent === undefined ? engine.places.anywhere(database, repository) : engine.places.agent(agent, database));
  engine.placed(place);
  const point = await engine.steps(place).chooseTestPoint({ database, backup, seed, repository });
  const test: Test = { input, engine, place, point, seed };
  try {
    const result = await carryOut(test);
    await remember(test, { held: true, result });
    return result;
  } catch (error) {
    if (error instanceof RstowError && isTestOutcome(error.code)) {
      await engine.compensate('remembering the failed test', () => remember(test, { held: false, failure: failedOf(error) }));
    }
    throw error;
  } finally {
    await engine.compensate('clearing the scratch place', () => engine.cleanups(place).clearTest({ database }));
  }
}

type Test = { input: TestRecoveryInput; engine: Engine; place: Place; point: TestPoint; seed: number };

async function carryOut({ input, engine, place, point, seed }: Test): Promise<TestRecoveryResult> {
  const { database, assertions } = input;
  engine.phase(`fetching ${point.label}`);
  const { label, repository, position } = point;
  const {
    fetchMs,
    replayMs,
    served,
    warnings: met,
    ...staged
  } = await engine.transfers(place).stageTest({ database, repository, label, position });
  const warnings = [...point.warnings, ...met];
  engine.phase('a real server boots, compares, writes and restarts twice');
  const tested = await engine.transfers(place).testServer({ database, staged: { ...staged, fetchMs, replayMs }, assertions });
  const { assertionsHeld, ...serverPhases } = tested;
  return {
    outcome: outcomeOf(warnings),
    runId: engine.runId,
    database,
    warnings,
    label,
    repository,
    agent: place.agent,
    seed: position === undefined ? undefined : seed,
    ...staged,
    served,
    assertionsHeld,
    rtoMs: fetchMs + replayMs + serverPhases.startMs,
    phases: { fetchMs, replayMs, ...serverPhases },
    durationMs: engine.now() - engine.startedAtMs,
  };
}

type Verdict = { held: true; result: TestRecoveryResult } | { held: false; failure: Failed };

/** A fact of this day: an auditor's population has the failed tests too. */
async function remember({ engine, place, point, seed }: Test, verdict: Verdict): Promise<void> {
  const common = { label: point.label, agent: place.agent, atMs: engine.now(), seed: point.position === undefined ? undefined : seed };
  const fact = verdict.held ? { ...common, ...heldOf(verdict.result) } : { ...common, ...verdict, assertionsHeld: 0 };
  await engine.steps(place).recordTest({ database: engine.database, repository: point.repository, fact });
}

function heldOf({ extents, assertionsHeld, rtoMs }: TestRecoveryResult): HeldTest {
  return { held: true, end: extents.end, assertionsHeld, rtoMs };
}

type HeldTest = { held: true; end: string; assertionsHeld: number; rtoMs: number };
