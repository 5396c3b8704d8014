import { lastingWarnings } from '../../contract/backup-warnings.ts';
import type { Warning } from '../../contract/result.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { chooseLabel, choosePosition, type LogPosition, selectBackup } from '../../core/backup/selection.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RecoveryTest } from '../../formats/repository/facts.ts';
import type { RunPort } from '../run-port.ts';

type ChooseTestPointInput = { database: string; repository?: string | undefined; backup: string; seed: number };
export type TestPoint = {
  label: string;
  repository: string;
  /** Absent: the backup's end. */
  position?: LogPosition | undefined;
  /** What the backup itself warned of, where it still bears on it. */
  warnings: Warning[];
};

/**
 * What a recovery test recovers: a backup's end or, for `random`, a position in the log of one of the backups, both
 * decided by the seed. Fails: backup-not-found, wal-gap, damaged-object. Twice: the same choice, of the same backups.
 */
export const chooseTestPoint =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, backup, seed }: ChooseTestPointInput): Promise<TestPoint> => {
    const store = await deps.openStore(database, wanted);
    const backups = await store.backups.selectable();
    const isRandom = backup === 'random' && backups.length > 0;
    const label = isRandom ? chooseLabel(backups.map((each) => each.label).sort(), seed) : selectBackup(backups, backup);
    const manifest = await store.backups.read(label);
    await store.backups.requireRestorable(manifest);
    const position = isRandom ? choosePosition(promisedExtents(manifest.segments), seed) : undefined;
    return { label, repository: store.name, position, warnings: lastingWarnings(manifest.warnings) };
  };

type RecordTestInput = { database: string; repository: string; fact: Omit<RecoveryTest, 'format' | 'runId'> };

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
