import type { FoundPoint } from '../activities/recovery-point/find-point.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import type { PointInTimeRecoveryInput, PointInTimeRecoveryResult, PointSummary } from '../contract/point-in-time-recovery.ts';
import { outcomeOf } from '../contract/result.ts';
import { targetText } from '../core/recovery/target.ts';
import { namingAlternative } from './alternative.ts';
import type { Engine } from './engine.ts';
import { placeOfRestore, recover } from './restore.ts';

/** Full recovery to any point of a stored history: as a restore, but that the log is cut there. */
export async function pointInTimeRecovery(input: PointInTimeRecoveryInput, engine: Engine): Promise<PointInTimeRecoveryResult> {
  const { database, target, timeline, to, dryRun } = input;
  const place = await placeOfRestore(engine, input);
  engine.phase(`finding the point ${targetText(target)}`);
  const found = await engine.lockedTransfers(place).findPoint({ database, repository: input.repository, target, timeline });
  const { label: backup, repository, pointKey } = found;
  const wanted = { database, backup, repository };
  const work = { ...wanted, pointKey, dryRun, toDataDir: to?.dataDir };
  const recovered = await namingAlternative(engine, { place, wanted }, () => recover({ engine, place, input }, work));
  const warnings = [...found.warnings, ...recovered.warnings];
  const result = { ...recovered, warnings, outcome: outcomeOf(warnings), point: summaryOf(found) };
  return dryRun === true ? explained(engine, place, { result, found, isInPlace: to === undefined }) : result;
}

function summaryOf({ end, sinceMs, untilMs, higher }: FoundPoint): PointSummary {
  return { end, sinceMs, untilMs, higher };
}

type Explained = { result: PointInTimeRecoveryResult; found: FoundPoint; isInPlace: boolean };

async function explained(engine: Engine, place: Place, { result, found, isInPlace }: Explained): Promise<PointInTimeRecoveryResult> {
  const { database } = engine;
  const { repository, pointKey } = found;
  engine.phase('comparing the point with the data in place');
  const { warnings: uncompared, ...explanation } = await engine
    .lockedTransfers(place)
    .explainPoint({ database, repository, pointKey, isInPlace });
  const warnings = [...result.warnings, ...uncompared];
  return { ...result, explanation, warnings, outcome: outcomeOf(warnings) };
}
