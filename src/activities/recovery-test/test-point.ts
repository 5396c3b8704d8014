import { lastingWarnings } from '../../contract/backup-warnings.ts';
import type { Warning } from '../../contract/result.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { selectBackup } from '../../core/backup/selection.ts';
import { chooseLabel, choosePosition, type LogPosition } from '../../core/backup/test-point.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../../config/database-settings.ts';
import { readBackupHistory, readManifest, selectable } from '../../store/backups.ts';
import { requireRestorableOrName } from '../../store/restorable.ts';

export type ChooseTestPointInput = { database: string; repository?: string | undefined; backup: string; seed: number };
export type TestPoint = {
  label: string;
  repository: string;
  /** Absent: the backup's end. */
  position?: LogPosition;
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
    const name = repositoryName(databaseSettings(deps.config, database), wanted);
    const repository = await deps.openRepository(name);
    const backups = selectable(await readBackupHistory(deps, repository, database));
    const isRandom = backup === 'random' && backups.length > 0;
    const label = isRandom ? chooseLabel(backups.map((each) => each.label).sort(), seed) : selectBackup(backups, backup);
    const manifest = await readManifest(repository, database, label);
    await requireRestorableOrName(deps, repository, manifest);
    const position = isRandom ? { position: choosePosition(promisedExtents(manifest.segments), seed) } : {};
    return { label, repository: name, ...position, warnings: lastingWarnings(manifest.warnings) };
  };
