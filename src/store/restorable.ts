import type { Manifest } from '../formats/repository/manifest.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Repository } from '../io/repository/port.ts';
import type { StoreDeps } from './each-repository.ts';
import { readableManifest, readBackupHistory } from './backups.ts';

/** What a backup's own warnings say of why it can't be restored. */
const REASONS = ['wal-gap', 'state-lacking'];

/** Fails: wal-gap, where a server could not start from this backup with everything in it. */
export function requireRestorable(manifest: Manifest): void {
  if (manifest.restorable === 'no') throw notRestorable(manifest, '');
}

/** The same, and names the backup that can be restored instead. */
export async function requireRestorableOrName(deps: StoreDeps, repository: Repository, manifest: Manifest): Promise<void> {
  if (manifest.restorable !== 'no') return;
  const newest = await newestRestorable(deps, repository, manifest.database);
  throw notRestorable(
    manifest,
    newest === null ? '; no backup here can be restored' : `; the newest backup that can be restored is ${newest}`,
  );
}

/** The label of the newest backup that a restore takes; null where there is none. Reads manifests until one is found. */
export async function newestRestorable(deps: StoreDeps, repository: Repository, database: string): Promise<string | null> {
  const { backups } = await readBackupHistory(deps, repository, database);
  for (const { label } of backups) {
    const manifest = await readableManifest(repository, database, label);
    if (manifest !== undefined && manifest.restorable !== 'no') return label;
  }
  return null;
}

function notRestorable({ label, warnings }: Manifest, instead: string): RstowError {
  const reason = warnings.find(({ code }) => REASONS.includes(code))?.message ?? 'its log is not whole';
  return new RstowError('wal-gap', `backup ${label} can’t be restored: ${reason}${instead}`, { details: { label } });
}
