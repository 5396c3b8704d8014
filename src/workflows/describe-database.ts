import type { DescribedDatabase } from '../activities/catalogue/describe-protection.ts';
import type { InspectedHost } from '../activities/catalogue/inspect-host.ts';
import {
  type DescribeDatabaseInput,
  type DescribeDatabaseResult,
  parseDescribeDatabaseInput,
  type Protection,
  staleSentence,
} from '../contract/describe-database.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { protectionGaps } from '../core/protection/verdict.ts';
import { step } from './activity-proxies.ts';
import { ownerIfStillThere, placeAnywhere } from './place.ts';
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
    const [described, host] = await Promise.all([step(place).describeProtection({ database, ...wanted }), inspectedHost(database)]);
    const { formerOwners = [], restorable, ...known } = described;
    const stale = await staleServers(database, formerOwners);
    const protection = protectionOf({ database, described: { ...known, restorable }, host });
    const warnings = [
      ...protection.gaps.map(({ code, sentence, remedy }) => ({ code, message: `${sentence}: ${remedy}` })),
      ...testWarnings(described),
      ...stale.map((server) => ({ code: 'owner-outdated', message: staleSentence(database, server) })),
    ];
    const { server = null, replaced = [] } = host ?? {};
    return { outcome: outcomeOf(warnings), runId: run.runId, database, warnings, ...known, stale, server, replaced, protection };
  },
);

async function inspectedHost(database: string): Promise<InspectedHost | undefined> {
  const owner = await ownerIfStillThere(database);
  return owner === undefined ? undefined : step(owner).inspectHost({ database });
}

type Known = { database: string; described: DescribedDatabase; host: InspectedHost | undefined };

function protectionOf({ database, described, host }: Known): Protection {
  const { owner, latest, restorable, schedule } = described;
  const gaps = protectionGaps({ database, nowMs: Date.now(), owner, server: host?.server ?? null, schedule, newest: latest, restorable });
  return { isProtected: gaps.length === 0, gaps };
}

function testWarnings({ testFailed }: DescribedDatabase): Warning[] {
  if (testFailed === null) return [];
  return [{ code: testFailed.code, message: `the last recovery test, of ${testFailed.label}, failed: ${testFailed.sentence}` }];
}
