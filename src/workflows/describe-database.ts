import type { DescribedDatabase, InspectedHost } from '../activities/catalogue/describe-protection.ts';
import {
  type DescribeDatabaseInput,
  type DescribeDatabaseResult,
  type Protection,
  staleSentence,
  type StaleServer,
} from '../contract/describe-database.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { protectionGaps } from '../core/protection/verdict.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Engine } from './engine.ts';

/** How well a database is protected now. */
export async function describeDatabase(input: DescribeDatabaseInput, engine: Engine): Promise<DescribeDatabaseResult> {
  const { database, repository } = input;
  const place = await engine.places.anywhere(database, repository);
  engine.placed(place);
  const [described, host] = await Promise.all([engine.steps(place).describeProtection({ database, repository }), inspectedHost(engine)]);
  const { formerOwners = [], unreadable: _unreadable, ...known } = described;
  const stale = await staleServers(engine, formerOwners);
  const protection = protectionOf(engine, described, host);
  const warnings = [
    ...protection.gaps.map(({ code, sentence, remedy }) => ({ code, message: `${sentence}: ${remedy}` })),
    ...testWarnings(described),
    ...stale.map((server) => ({ code: 'owner-outdated', message: staleSentence(database, server) })),
  ];
  const { server = null, replaced = [] } = host ?? {};
  return { outcome: outcomeOf(warnings), runId: engine.runId, database, warnings, ...known, stale, server, replaced, protection };
}

/** Undefined where the owner doesn't answer, or falls silent after its answer. */
export async function inspectedHost(engine: Engine): Promise<InspectedHost | undefined> {
  const { database } = engine;
  const owner = await engine.places.ownerIfStillThere(database);
  if (owner === undefined) return undefined;
  try {
    return await engine.inspections(owner.installationId).inspectHost({ database });
  } catch (error) {
    if (engine.isSilent(error)) return undefined;
    throw error;
  }
}

type FormerOwner = { agent: string; installationId: string };

/** The servers of former owners that still answer, as far as their agents are there to say so: a burnt host is silent. */
export async function staleServers(engine: Engine, formerOwners: readonly FormerOwner[]): Promise<StaleServer[]> {
  const { database } = engine;
  const ask = async ({ installationId }: FormerOwner): Promise<StaleServer | null> => {
    try {
      return await engine.inspections(installationId).findStaleServer({ database });
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      return null;
    }
  };
  const answers = await Promise.all(formerOwners.map(ask));
  return answers.filter((answer) => answer !== null);
}

export function protectionOf(engine: Engine, described: DescribedDatabase, host: InspectedHost | undefined): Protection {
  const { owner, latest: newest, restorable, unreadable, schedule, window } = described;
  const server = host?.server ?? null;
  const { database } = engine;
  const lostFrom = window?.lost?.from;
  const gaps = protectionGaps({ database, nowMs: engine.now(), owner, server, schedule, newest, restorable, unreadable, lostFrom });
  return { isProtected: gaps.length === 0, gaps };
}

function testWarnings({ testFailed }: DescribedDatabase): Warning[] {
  if (testFailed === null) return [];
  return [{ code: testFailed.code, message: `the last recovery test, of ${testFailed.label}, failed: ${testFailed.sentence}` }];
}
