import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import type { RunPort } from '../run-port.ts';

export type TakeOwnershipInput = {
  database: string;
  /** That of the owner who is replaced; 0 for none. */ fromGeneration: number;
  timeline: string;
  planHash: string;
};

/** The generation of the owner who is about to be replaced; 0 for none. */
export const readOwnerGeneration =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<number> =>
    (await deps.catalogueOf(database).owner.find()).owner?.generation ?? 0;

/**
 * Makes this installation the owner: from here on the old host is fenced, whatever it still believes.
 * Fails: owner-outdated, where somebody else took the database over meanwhile; signature-refused. Twice: the same generation.
 */
export const takeOwnership =
  (deps: ActivityDeps) =>
  async ({ database, fromGeneration, timeline, planHash }: TakeOwnershipInput, run: RunPort): Promise<{ generation: number }> => {
    const { agent, temporal } = deps;
    const generation = fromGeneration + 1;
    await requireAuthority(deps, run, { database, planHash });
    await run.checkOpen();
    await deps.catalogueOf(database).owner.claim({
      format: 1,
      generation,
      agent: agent.name,
      installationId: agent.installationId,
      temporal,
      timeline,
      claimedAtMs: Date.now(),
    });
    return { generation };
  };
