import { isCancellation } from '@temporalio/workflow';
import type { StaleServer } from '../contract/describe-database.ts';
import { lookAtInstallation } from './activity-proxies.ts';

type FormerOwner = { agent: string; installationId: string };

/** The servers of former owners that still answer, as far as their agents are there to say so: a burnt host is silent. */
export async function staleServers(database: string, formerOwners: readonly FormerOwner[]): Promise<StaleServer[]> {
  const answers = await Promise.all(formerOwners.map((former) => ask(database, former)));
  return answers.filter((answer) => answer !== null);
}

async function ask(database: string, former: FormerOwner): Promise<StaleServer | null> {
  try {
    return await lookAtInstallation(former.installationId).findStaleServer({ database });
  } catch (error) {
    if (isCancellation(error)) throw error;
    return null;
  }
}
