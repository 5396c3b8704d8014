import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedRestore, PlanRestoreInput } from '../activities/restore/plan-restore.ts';
import { type HotBackupResult, STATE_OLDER } from '../contract/hot-backup.ts';
import { type LogSize, OFFSETS_NOTE, type RebaseDatabaseInput, type RebaseDatabaseResult } from '../contract/rebase-database.ts';
import type { RestoreResult } from '../contract/restore.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Engine } from './engine.ts';
import { backUp } from './hot-backup.ts';
import { placeOfRestore, recover } from './restore.ts';
import { planRestore } from './restore-steps.ts';

/**
 * Lets a server go on with a log that begins with its present state. It is a restore of a backup that is just made, all but whose last
 * segment becomes a baseline; what clients write until the server stops is carried over, so nothing of it is lost.
 */
export async function rebaseDatabase(input: RebaseDatabaseInput, engine: Engine): Promise<RebaseDatabaseResult> {
  const { database, repository, dryRun } = input;
  const place = await placeOfRestore(engine, input);
  const backed = dryRun === true ? undefined : await backUpFirst(input, engine, place);
  if (backed !== undefined) requireNothingTakenBack(backed);
  const from = backed?.repository ?? repository;
  const wanted: PlanRestoreInput = { database, repository: from, backup: backed?.label ?? 'latest', dryRun, isRebase: true };
  engine.phase('planning');
  const plan = await planRestore(engine, place, wanted);
  const lacking = plan.lackingInPlace ?? 0;
  if (plan.baseline === undefined && lacking === 0) return notNeeded(engine, plan, backed?.warnings ?? []);
  const restored = await recover({ engine, place, input }, wanted);
  const warnings = distinct([...(backed?.warnings ?? []), ...restored.warnings]);
  return { ...restored, warnings, outcome: outcomeOf(warnings), lacking, log: logOf(restored), note: OFFSETS_NOTE };
}

/** The backups before and behind the swap may well warn of the same. */
function distinct(warnings: readonly Warning[]): Warning[] {
  return [...new Map(warnings.map((warning) => [`${warning.code}: ${warning.message}`, warning])).values()];
}

/** It holds what a server that has lost log still shows, before anybody stops it. */
function backUpFirst({ database, repository }: RebaseDatabaseInput, engine: Engine, place: Place): Promise<HotBackupResult> {
  engine.phase('backing up what the log is to begin with');
  return engine.exclusiveFirst(place, () => backUp({ database, repository }, engine, place));
}

/** The log is what the new one is made of: it would take the same back. Fails: restart-unsafe. */
function requireNothingTakenBack({ database, warnings }: HotBackupResult): void {
  const older = warnings.find(({ code }) => code === STATE_OLDER);
  if (older === undefined) return;
  const sentence = `the server was not stopped, for its restart is not safe: ${older.message}`;
  throw new RstowError('restart-unsafe', sentence, { details: { database } });
}

function notNeeded(engine: Engine, { label, repository }: PlannedRestore, warnings: Warning[]): RebaseDatabaseResult {
  const { runId, database } = engine;
  const durationMs = engine.now() - engine.startedAtMs;
  return { outcome: 'not-needed', runId, database, label, repository, warnings, durationMs };
}

function logOf({ extents, baseline }: RestoreResult): { before: LogSize; after: LogSize } | undefined {
  if (extents === undefined) return undefined;
  const { segments, sizeBytes } = extents;
  const before = { segments, sizeBytes };
  if (baseline === undefined) return { before, after: before };
  const { replacedBytes, sizeBytes: baselineBytes = 0 } = baseline;
  return { before, after: { segments: 2, sizeBytes: sizeBytes - replacedBytes + baselineBytes } };
}
