import { join } from 'node:path';
import { runOfSnapshot } from '../core/backup/snapshot.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { checkDataDirectory } from '../io/data-directory/restore-target.ts';
import { openVolume } from '../io/volume/open-volume.ts';
import type { ListedSnapshot, Volume } from '../io/volume/volume.ts';
import type { Database } from './database.ts';

/** The volume that holds the database's data, by its config. Fails: snapshot-unsupported, permission-denied, data-directory-missing. */
export async function snapshotVolume({ name, settings, dataDir, agent }: Database): Promise<Volume> {
  const refused = (sentence: string): RstowError =>
    new RstowError('snapshot-unsupported', sentence, { details: { database: name, dataDir } });
  if (settings.snapshot === undefined) throw refused(`the agent’s config has no databases.${name}.snapshot`);
  const layout = await checkDataDirectory(dataDir);
  if (layout.kind === 'missing') throw new RstowError('data-directory-missing', `${dataDir} does not exist`, { details: { dataDir } });
  if (layout.kind === 'wal-unsupported' && layout.path === join(layout.dataDir, 'wal')) {
    const what = layout.why === 'symlink' ? 'a symbolic link' : 'on another mount than the data directory';
    throw refused(`${layout.path} is ${what}: a snapshot of the data directory’s volume would not hold the log`);
  }
  return openVolume(settings.snapshot, { dataDir, mountRoot: join(agent.stateDir, name, 'snapshots') });
}

/** For whoever wonders why one was there. */
export function snapshotRemoved(database: string, left: { volume: string; snapshot: string }): SnapshotRemoved {
  const sentence = `removed the snapshot ${left.snapshot} of ${left.volume}, which a backup that has ended had left`;
  return { kind: 'snapshot-removed', sentence, database, ...left };
}

type SnapshotRemoved = { kind: 'snapshot-removed'; sentence: string; database: string; volume: string; snapshot: string };

/** A snapshot of this database that a run has taken. */
export type RunSnapshot = ListedSnapshot & { runId: string };

/** All that runs have taken of a volume for this database, and nobody has dropped. */
export async function runSnapshots(database: string, volume: Volume): Promise<RunSnapshot[]> {
  return (await volume.list()).flatMap(({ name, takenAtMs }) => {
    const runId = runOfSnapshot(database, name);
    return runId === undefined ? [] : [{ name, takenAtMs, runId }];
  });
}
