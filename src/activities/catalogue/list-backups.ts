import type { Manifest } from '../../formats/repository/manifest.ts';
import type { BackupRow, ListBackupsResult } from '../../contract/list-backups.ts';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { laterByClock } from '../../core/backup/history.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { type CheckFact, standingOf } from '../../core/backup/standing.ts';
import { isVerdictOnBackup } from '../../core/errors/object-damage.ts';
import type { Repository } from '../../io/repository/port.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../../config/database-settings.ts';
import { readTests } from '../recovery-test/record-test.ts';
import { readableManifest, readBackupHistory, selectable } from '../../store/backups.ts';
import { newestRestorable } from '../../store/restorable.ts';
import { readVerifications } from '../verify/record-verification.ts';

export type ListBackupsQuery = { database: string; repository?: string | undefined; limit: number };
export type ListedBackups = Pick<
  ListBackupsResult,
  'repository' | 'backups' | 'total' | 'unreadable' | 'laterByClock' | 'newestRestorable'
>;
/** So many labels are enough for a warning. */
const LATER_MAX = 5;

/** The newest backups first. Fails: unknown-database, unknown-repository, repository-unavailable. */
export const readBackups =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, limit }: ListBackupsQuery): Promise<ListedBackups> => {
    const name = repositoryName(databaseSettings(deps.config, database), wanted);
    const repository = await deps.openRepository(name);
    const stored = await readBackupHistory(deps, repository, database);
    const backups: BackupRow[] = [];
    const unreadable: string[] = [];
    for (const { label, isInUse } of selectable(stored).slice(0, limit)) {
      const manifest = await readableManifest(repository, database, label);
      if (manifest === undefined) unreadable.push(label);
      else backups.push(rowOf(manifest, isInUse, await readFacts(repository, database, label)));
    }
    const laterByItsClock = laterByClock(stored.backups).map(({ label }) => label);
    const isRestorable = backups.find(({ isInUse }) => isInUse)?.restorable !== 'no';
    const instead = isRestorable ? {} : { newestRestorable: await newestRestorable(deps, repository, database) };
    const total = stored.backups.length + stored.unplaced.length;
    return { repository: name, backups, total, unreadable, laterByClock: laterByItsClock.slice(0, LATER_MAX), ...instead };
  };

/** What is remembered of a backup's bytes. */
async function readFacts(repository: Repository, database: string, label: string): Promise<CheckFact[]> {
  const verifications = await readVerifications(repository, database, label);
  // A recovery test that held may have gone up to an earlier point only, so it lifts nothing.
  const tests = (await readTests(repository, database, label)).flatMap(({ atMs, failure }) =>
    failure !== undefined && isVerdictOnBackup(failure.code) ? [{ level: 'replay' as const, atMs, failure }] : [],
  );
  return [...verifications.map(({ level, atMs, failure, repairedKeys }) => ({ level, atMs, failure, repairedKeys })), ...tests];
}

function rowOf(manifest: Manifest, isInUse: boolean, facts: readonly CheckFact[]): BackupRow {
  const { label, timeline, records, machines, instances, stateDigest, restorable, createdAtMs, bytesStored } = manifest;
  const extents = summariseExtents(promisedExtents(manifest.segments));
  const held = { timeline, extents, records, machines, instances, stateDigest, restorable };
  return { label, isInUse, createdAtMs, bytesStored, ...held, ...standingOf(facts) };
}
