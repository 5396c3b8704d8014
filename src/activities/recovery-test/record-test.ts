import type { RecoveryTest } from '../../formats/repository/recovery-test.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

export type RecordTestInput = { database: string; repository: string; fact: Omit<RecoveryTest, 'format' | 'runId'> };

/** Remembers a recovery test, whether it held or not. Twice: the first fact stands. */
export const recordTest =
  (deps: ActivityDeps) =>
  async ({ database, repository, fact }: RecordTestInput, { runId }: Pick<RunPort, 'runId'>): Promise<void> => {
    const store = await deps.openStore(database, repository);
    await store.facts.recordTest({ runId, ...fact });
    const { label, held } = fact;
    deps.events.record({
      kind: 'recovery-tested',
      database,
      repository,
      label,
      held,
      sentence: `a recovery to backup ${label} was tested`,
    });
  };
