import type { Manifest } from '../../config/repository-json/manifest.ts';
import type { BackupRow, ListBackupsResult } from '../../contract/list-backups.ts';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { laterByClock } from '../../core/backup/history.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { type CheckFact, standingOf } from '../../core/backup/standing.ts';
import { isVerdictOnBackup } from '../../core/errors/object-damage.ts';
import type { Repository } from '../../io/repository/repository.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../database-settings.ts';
import { readTests } from '../recovery-test/record-test.ts';
import { readableManifest, readBackupHistory, selectable } from '../stored/backups.ts';
import { newestRestorable } from '../stored/restorable.ts';
import { readVerifications } from '../verify/record-verification.ts';

export type ListBackupsQuery = { database: string; repository?: string; limit: number };
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
    const facts = await readFacts(repository, database);
    const backups: BackupRow[] = [];
    const unreadable: string[] = [];
    for (const { label, isInUse } of selectable(stored).slice(0, limit)) {
      const manifest = await readableManifest(repository, database, label);
      if (manifest === undefined) unreadable.push(label);
      else backups.push(rowOf(manifest, isInUse, facts.get(label) ?? []));
    }
    const laterByItsClock = laterByClock(stored.backups).map(({ label }) => label);
    const isRestorable = backups.find(({ isInUse }) => isInUse)?.restorable !== 'no';
    const instead = isRestorable ? {} : { newestRestorable: await newestRestorable(deps, repository, database) };
    const total = stored.backups.length + stored.unplaced.length;
    return { repository: name, backups, total, unreadable, laterByClock: laterByItsClock.slice(0, LATER_MAX), ...instead };
  };

/** What is remembered of each backup's bytes, by label. */
async function readFacts(repository: Repository, database: string): Promise<Map<string, CheckFact[]>> {
  const facts = new Map<string, CheckFact[]>();
  const add = (label: string, fact: CheckFact): void => void facts.set(label, [...(facts.get(label) ?? []), fact]);
  for (const { label, level, atMs, failure, repairedKeys } of await readVerifications(repository, database))
    add(label, { level, atMs, failure, repairedKeys });
  // A recovery test that held may have gone up to an earlier point only, so it lifts nothing.
  for (const { label, atMs, failure } of await readTests(repository, database)) {
    if (failure !== undefined && isVerdictOnBackup(failure.code)) add(label, { level: 'replay', atMs, failure });
  }
  return facts;
}

function rowOf(manifest: Manifest, isInUse: boolean, facts: readonly CheckFact[]): BackupRow {
  const { label, timeline, records, machines, instances, stateDigest, restorable, createdAtMs, bytesStored } = manifest;
  const extents = summariseExtents(promisedExtents(manifest.segments));
  const held = { timeline, extents, records, machines, instances, stateDigest, restorable };
  return { label, isInUse, createdAtMs, bytesStored, ...held, ...standingOf(facts) };
}
