import { ActivityFailure, TimeoutFailure } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { probeAgent, probeAnyone, probeDatabase, probeDatabaseBriefly, probeDatabaseSoon, probeStandby } from './activity-proxies.ts';

/** The database's owner. Fails: agent-unreachable, where nobody answers for the name. */
export async function placeOfDatabase(database: string): Promise<Place> {
  try {
    return await probeDatabase(database).locateDatabase({ database });
  } catch (error) {
    throw unanswered(error) ? unreachable(`serves database "${database}"`) : error;
  }
}

/** The agent of that name. Fails: agent-unreachable, unknown-database. */
export async function placeOfAgent(agent: string, database: string): Promise<Place> {
  try {
    return await probeAgent(agent).locateAgent({ database });
  } catch (error) {
    throw unanswered(error) ? unreachable(`is called "${agent}"`) : error;
  }
}

/** Any agent that can read the database's repository, the owner or not. Fails: agent-unreachable. */
export async function placeAnywhere(database: string, repository: string | undefined): Promise<Place> {
  try {
    return await probeAnyone().locateAnywhere({ database, ...(repository === undefined ? {} : { repository }) });
  } catch (error) {
    throw unanswered(error) ? unreachable(`lists database "${database}" and reaches its repository`) : error;
  }
}

/** The owner if it answers soon; undefined where it burnt, or its agent is down. */
export async function ownerIfThere(database: string): Promise<Place | undefined> {
  return ifAnswered(probeDatabaseSoon(database).locateDatabase({ database }));
}

/** The same, asked once more: one that is there answers at once. */
export async function ownerIfStillThere(database: string): Promise<Place | undefined> {
  return ifAnswered(probeDatabaseBriefly(database).locateDatabase({ database }));
}

/** An agent that stands by for the database; undefined where there is none. */
export async function standbyIfThere(database: string): Promise<Place | undefined> {
  return ifAnswered(probeStandby(database).locateStandby({ database }));
}

async function ifAnswered(probing: Promise<Place>): Promise<Place | undefined> {
  try {
    return await probing;
  } catch (error) {
    if (unanswered(error)) return undefined;
    throw error;
  }
}

/** Nobody took the step up in time. */
export function unanswered(error: unknown): boolean {
  return error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
}

function unreachable(what: string): RstowError {
  return new RstowError('agent-unreachable', `no agent ${what}; the name is misspelt, or the agent is down`);
}
