import { RstowError } from '../core/errors/rstow-error.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { claimOwnership, currentOwner, openOwnerRepository } from './ownership.ts';
import type { RunPort } from './run-port.ts';

export type TakeOwnershipInput = {
  database: string;
  /** That of the owner who is replaced; 0 for none. */ fromGeneration: number;
  timeline: string;
};

/** The generation of the owner who is about to be replaced; 0 for none. */
export const readOwnerGeneration =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<number> => {
    const owner = await currentOwner(await openOwnerRepository(deps, database), database);
    return owner?.generation ?? 0;
  };

/**
 * Makes this installation the owner: from here on the old host is fenced, whatever it still believes.
 * Fails: owner-outdated, where somebody else took the database over meanwhile. Twice: the same generation.
 */
export const takeOwnership =
  (deps: ActivityDeps) =>
  async ({ database, fromGeneration, timeline }: TakeOwnershipInput, run: RunPort): Promise<{ generation: number }> => {
    const repository = await openOwnerRepository(deps, database);
    const { agent, temporal } = deps;
    const generation = fromGeneration + 1;
    await run.checkOpen();
    const claim = {
      format: 1 as const,
      generation,
      agent: agent.name,
      installationId: agent.installationId,
      temporal,
      timeline,
      claimedAtMs: Date.now(),
    };
    if (await claimOwnership(repository, database, claim)) return { generation };
    throw new RstowError('owner-outdated', `another installation became the owner of "${database}" meanwhile`, { details: { generation } });
  };
