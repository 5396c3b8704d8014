import { selectBackup } from '../../core/backup/selection.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

type HoldInput = {
  database: string;
  repository?: string | undefined;
  backup: string;
  reason?: string | undefined;
  by?: string | undefined;
  atMs: number;
  untilMs?: number | undefined;
  /** Whether what holds it ends. */
  isReleased: boolean;
  /** The name of its end that goes then; all of its holds if absent. */
  mark?: string | undefined;
};

export type HeldBackup = { label: string; repositories: string[]; /** Holds, or marks, that are gone, in all of them. */ released: number };

/**
 * Holds a backup, or releases it, in each of the database's repositories that has it. Fails: backup-not-found, repository-unavailable, if one of
 * them is away. Twice: the first hold stands; nothing is left to release.
 */
export const holdBackup =
  (deps: ActivityDeps) =>
  async ({ database, repository, backup, reason, by, atMs, untilMs, isReleased, mark }: HoldInput, run: RunPort): Promise<HeldBackup> => {
    const store = await deps.openStore(database, repository);
    await store.owner.require();
    const label = selectBackup(await store.backups.selectable(), backup);
    const { answers, failures } = await deps.catalogueOf(database).each(async (one) => {
      await run.checkOpen();
      if (isReleased && mark !== undefined) return Number(await one.marks.remove({ name: mark, label }));
      if (isReleased) return one.retention.release(label);
      const isThere = async (): Promise<boolean> => (await one.backups.state(label)).kind !== 'absent';
      if (!(await isThere())) return undefined;
      await one.retention.hold({ label, reason: reason ?? 'no reason given', by, atMs, untilMs, runId: run.runId });
      // It may have expired between the question and the hold.
      return (await isThere()) ? 0 : undefined;
    });
    const [failed] = failures;
    if (failed !== undefined) throw failed.error;
    const held = answers.filter(({ found }) => found !== undefined);
    return { label, repositories: held.map((answer) => answer.store.name), released: held.reduce((sum, { found = 0 }) => sum + found, 0) };
  };
