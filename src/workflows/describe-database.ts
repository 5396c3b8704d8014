import { type DescribeDatabaseInput, type DescribeDatabaseResult, parseDescribeDatabaseInput } from '../contract/describe-database.ts';
import { step } from './activity-proxies.ts';
import { placeAnywhere } from './place.ts';
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
    const described = await step(place).describeProtection({ database, ...wanted });
    return { outcome: 'done', runId: run.runId, database, warnings: [], ...described };
  },
);
