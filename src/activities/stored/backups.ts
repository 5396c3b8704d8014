import { type Manifest, manifestSchema } from '../../config/repository-json/manifest.ts';
import { selectBackup } from '../../core/backup/selection.ts';
import { isObjectDamage } from '../../core/errors/object-damage.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { backupsPrefix, labelOfManifestKey, manifestKey } from '../../core/repository/object-keys.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { readSealed } from '../../io/repository/sealed-object.ts';

/** The labels of all backups, oldest first: a manifest makes a backup exist. */
export async function listLabels(repository: Repository, database: string): Promise<string[]> {
  const labels: string[] = [];
  for await (const { key } of repository.list(backupsPrefix(database))) {
    const label = labelOfManifestKey(key);
    if (label !== undefined) labels.push(label);
  }
  return labels.sort();
}

/** The manifest of `latest`, a label, or a label's unique beginning. Fails: backup-not-found, damaged-object. */
export async function findBackup(repository: Repository, database: string, wanted: string): Promise<Manifest> {
  const label = selectBackup(await listLabels(repository, database), wanted);
  return readManifest(repository, database, label);
}

/** Fails: backup-not-found, damaged-object (it is not whole, or says that it is another backup's). */
export async function readManifest(repository: Repository, database: string, label: string): Promise<Manifest> {
  const key = manifestKey(database, label);
  const manifest = await readSealed(repository, key, manifestSchema);
  if (manifest === undefined) throw new RstowError('backup-not-found', `backup "${label}" is gone`, { details: { key } });
  if (manifest.database === database && manifest.label === label) return manifest;
  const owner = `database "${manifest.database}", backup "${manifest.label}"`;
  throw new RstowError('damaged-object', `${key} belongs to ${owner}`, { details: { key } });
}

/** The newest readable backup of a timeline by another run: what it says of ranges needn't be read again. */
export async function newestOfTimeline(
  repository: Repository,
  database: string,
  wanted: { timeline: string; exceptRunId: string },
): Promise<Manifest | undefined> {
  for (const label of (await listLabels(repository, database)).reverse()) {
    const manifest = await readManifest(repository, database, label).catch(damageIsNone);
    if (manifest?.timeline === wanted.timeline && manifest.runId !== wanted.exceptRunId) return manifest;
  }
  return undefined;
}

/** A damaged manifest is verifyBackup's to tell; here it only saves no work. */
function damageIsNone(error: unknown): undefined {
  if (error instanceof RstowError && isObjectDamage(error.code)) return undefined;
  throw error;
}
