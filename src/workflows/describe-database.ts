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
import { lookAtInstallation, step } from './activity-proxies.ts';
import { ownerIfStillThere, placeAnywhere, unanswered } from './place.ts';
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
    const { formerOwners = [], restorable: _restorable, unreadable: _unreadable, ...known } = described;
    const stale = await staleServers(database, formerOwners);
    const protection = protectionOf({ database, described, host });
    const warnings = [
      ...protection.gaps.map(({ code, sentence, remedy }) => ({ code, message: `${sentence}: ${remedy}` })),
      ...testWarnings(described),
      ...stale.map((server) => ({ code: 'owner-outdated', message: staleSentence(database, server) })),
    ];
    const { server = null, replaced = [] } = host ?? {};
    return { outcome: outcomeOf(warnings), runId: run.runId, database, warnings, ...known, stale, server, replaced, protection };
  },
);

/** Undefined where the owner doesn't answer, or falls silent after its answer. */
async function inspectedHost(database: string): Promise<InspectedHost | undefined> {
  const owner = await ownerIfStillThere(database);
  if (owner === undefined) return undefined;
  try {
    return await lookAtInstallation(owner.installationId).inspectHost({ database });
  } catch (error) {
    if (unanswered(error)) return undefined;
    throw error;
  }
}

type Known = { database: string; described: DescribedDatabase; host: InspectedHost | undefined };

function protectionOf({ database, described, host }: Known): Protection {
  const { owner, latest, restorable, unreadable, schedule } = described;
  const server = host?.server ?? null;
  const gaps = protectionGaps({ database, nowMs: Date.now(), owner, server, schedule, newest: latest, restorable, unreadable });
  return { isProtected: gaps.length === 0, gaps };
}

function testWarnings({ testFailed }: DescribedDatabase): Warning[] {
  if (testFailed === null) return [];
  return [{ code: testFailed.code, message: `the last recovery test, of ${testFailed.label}, failed: ${testFailed.sentence}` }];
}
