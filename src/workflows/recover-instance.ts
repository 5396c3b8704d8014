import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedInstance } from '../activities/instance/plan-instance.ts';
import type { RecoverInstanceInput, RecoverInstanceResult } from '../contract/recover-instance.ts';
import { type CommonResult, outcomeOf, type Warning } from '../contract/result.ts';
import { targetText } from '../core/recovery/target.ts';
import { countedText } from '../core/text/figures.ts';
import type { Engine } from './engine.ts';
import { onceFree, placeOfRestore } from './restore.ts';

/** One instance back into its running server, by the server's own requests. All others stay as they are. */
export async function recoverInstance(input: RecoverInstanceInput, engine: Engine): Promise<RecoverInstanceResult> {
  const { database, repository, instance, target, timeline, dryRun } = input;
  const place = await placeOfRestore(engine, { database });
  engine.phase(`reading instance "${instance}" ${targetText(target)}`);
  const plan = await engine.lockedTransfers(place).planInstance({ database, repository, instance, target, timeline, dryRun });
  if (dryRun === true || plan.isThere) return resultOf(engine, plan, { dryRun });
  const locked = (): Promise<RecoverInstanceResult | CommonResult> => engine.exclusive(place, () => bringBack(engine, place, plan));
  return engine.agreed({ place, input, plan, consequence: consequenceOf(plan) }, () => onceFree(engine, locked));
}

function consequenceOf({ instance, machine, version, events, state }: PlannedInstance): string {
  return `it creates instance "${instance}" of ${machine}/${version} and applies ${countedText(events, 'event')}, up to state "${state}"`;
}

/** Comes to its end once it has begun: nobody should meet an instance in the middle of a life that it was past. */
async function bringBack(engine: Engine, place: Place, plan: PlannedInstance): Promise<RecoverInstanceResult> {
  const { repository, planKey, instance, events } = plan;
  engine.commit();
  engine.phase(`creating instance "${instance}" and applying ${countedText(events, 'event')}`);
  const applying = { database: engine.database, repository, planKey };
  const applied = await engine.uninterrupted(() => engine.lockedTransfers(place).applyInstance(applying));
  return resultOf(engine, plan, applied);
}

type Facts = Pick<RecoverInstanceResult, 'dryRun' | 'lastOffset'> & { warnings?: Warning[] };

function resultOf(engine: Engine, plan: PlannedInstance, { warnings: found = [], ...facts }: Facts): RecoverInstanceResult {
  const { warnings: planned, approval: _policy, isThere, ...summary } = plan;
  const { runId, database } = engine;
  const warnings = [...planned, ...found];
  const outcome = isThere ? 'not-needed' : outcomeOf(warnings);
  return { outcome, runId, database, warnings, ...summary, ...facts, durationMs: engine.now() - engine.startedAtMs };
}
