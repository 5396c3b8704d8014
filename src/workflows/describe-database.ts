import {
  type DescribeDatabaseInput,
  type DescribeDatabaseResult,
  parseDescribeDatabaseInput,
  staleSentence,
} from '../contract/describe-database.ts';
import { failedSentence } from '../contract/list-backups.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { step } from './activity-proxies.ts';
import { placeAnywhere } from './place.ts';
import { staleServers } from './stale-servers.ts';
import { workflow } from './workflow.ts';

/** How well a database is protected now. */
export const describeDatabase = workflow(
  'describeDatabase',
  parseDescribeDatabaseInput,
  async (input: DescribeDatabaseInput, run): Promise<DescribeDatabaseResult> => {
    const { database } = input;
    const place = await placeAnywhere(database, input.repository);
    run.placed(place);
    const wanted = input.repository === undefined ? {} : { repository: input.repository };
    const { formerOwners = [], ...described } = await step(place).describeProtection({ database, ...wanted });
    const stale = await staleServers(database, formerOwners);
    const warnings = [
      ...unsoundWarnings(described),
      ...stale.map((server) => ({ code: 'owner-outdated', message: staleSentence(database, server) })),
    ];
    return { outcome: outcomeOf(warnings), runId: run.runId, database, warnings, ...described, stale };
  },
);

function unsoundWarnings({ latest, testFailed }: Pick<DescribeDatabaseResult, 'latest' | 'testFailed'>): Warning[] {
  return [
    ...(latest?.failed === undefined ? [] : [{ code: latest.failed.code, message: failedSentence(latest) }]),
    ...(testFailed === null
      ? []
      : [{ code: testFailed.code, message: `the last recovery test, of ${testFailed.label}, failed: ${testFailed.sentence}` }]),
  ];
}
