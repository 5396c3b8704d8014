import {
  clockSentence,
  failedSentence,
  type ListBackupsInput,
  type ListBackupsResult,
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

function warningsOf({ backups, unreadable, laterByClock, newestRestorable }: Omit<ListBackupsResult, keyof CommonResult>): Warning[] {
  const newest = backups.find(({ isInUse }) => isInUse);
  return [
    ...(newest === undefined || newestRestorable === undefined
      ? []
      : [{ code: 'wal-gap', message: unrestorableSentence(newest.label, newestRestorable) }]),
    ...unreadable.map((label) => ({ code: 'damaged-object', message: `the manifest of ${label} can't be read` })),
    ...(laterByClock.length === 0 ? [] : [{ code: 'clock-contradiction', message: clockSentence(laterByClock) }]),
    ...backups.flatMap((row) => (row.failed === undefined ? [] : [{ code: row.failed.code, message: failedSentence(row) }])),
  ];
}
