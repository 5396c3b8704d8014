import {
  clockSentence,
  failedSentence,
  type ListBackupsInput,
  type ListBackupsResult,
  parseListBackupsInput,
  unrestorableSentence,
} from '../contract/list-backups.ts';
import { type CommonResult, outcomeOf, type Warning } from '../contract/result.ts';
import { step } from './activity-proxies.ts';
import { placeAnywhere } from './place.ts';
import { workflow } from './workflow.ts';

const DEFAULT_LIMIT = 100;

/** The backups of a database, newest first, as the repository has them now. */
export const listBackups = workflow(
  'listBackups',
  parseListBackupsInput,
  async (input: ListBackupsInput, run): Promise<ListBackupsResult> => {
    const { database, limit = DEFAULT_LIMIT } = input;
    const place = await placeAnywhere(database, input.repository);
    run.placed(place);
    const wanted = input.repository === undefined ? {} : { repository: input.repository };
    const listed = await step(place).readBackups({ database, limit, ...wanted });
    const warnings = warningsOf(listed);
    return { outcome: outcomeOf(warnings), runId: run.runId, database, warnings, ...listed };
  },
);

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
