import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { requireAuthority } from './authority.ts';

export type NoteHistoryInput = { database: string; timeline: string };

/**
 * Says in the owner's claim which timeline the database goes on with, once a restore has swapped it in. Fails:
 * owner-outdated, signature-refused, repository-unavailable. Twice: no-op.
 */
export const noteHistory =
  (deps: ActivityDeps) =>
  async ({ database, timeline }: NoteHistoryInput, run: RunPort): Promise<void> => {
    await requireAuthority(deps, run, { database, isPreparing: true });
    await run.checkOpen();
    await deps.catalogueOf(database).owner.follow(timeline);
  };
