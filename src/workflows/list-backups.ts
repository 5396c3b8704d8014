import {
  clockSentence,
  failedSentence,
  type ListBackupsInput,
  type ListBackupsResult,
  unaskedSentence,
  unreadableSentence,
  unrestorableSentence,
} from '../contract/list-backups.ts';
import { type CommonResult, outcomeOf, type Warning } from '../contract/result.ts';
import type { Engine } from './engine.ts';

const DEFAULT_LIMIT = 100;

/** The backups of a database, newest first, as the repository has them now. */
export async function listBackups(input: ListBackupsInput, engine: Engine): Promise<ListBackupsResult> {
  const { database, limit = DEFAULT_LIMIT, repository } = input;
  const place = await engine.places.anywhere(database, repository);
  engine.placed(place);
  const listed = await engine.steps(place).readBackups({ database, limit, repository });
  const warnings = warningsOf(listed);
  return { outcome: outcomeOf(warnings), runId: engine.runId, database, warnings, ...listed };
}

function warningsOf({
  backups,
  unreadable,
  laterByClock,
  newestRestorable,
  away = [],
}: Omit<ListBackupsResult, keyof CommonResult>): Warning[] {
  const newest = backups.find(({ isInUse }) => isInUse);
  const warnings: Warning[] = [];
  if (newest !== undefined && newestRestorable !== undefined) {
    warnings.push({ code: 'wal-gap', message: unrestorableSentence(newest.label, newestRestorable) });
  }
  warnings.push(...away.map(({ repository, code, message }) => ({ code, message: unaskedSentence(repository, message) })));
  warnings.push(...unreadable.map((backup) => ({ code: backup.code, message: unreadableSentence(backup) })));
  if (laterByClock.length > 0) warnings.push({ code: 'clock-contradiction', message: clockSentence(laterByClock) });
  for (const row of backups) {
    if (row.failed !== undefined) warnings.push({ code: row.failed.code, message: failedSentence(row) });
  }
  return warnings;
}
