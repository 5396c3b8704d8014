import { isUnreadable } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { manifestKey } from '../core/repository/object-keys.ts';
import { type Manifest, manifestSchema } from '../formats/repository/manifest.ts';
import type { Repository } from '../io/repository/port.ts';
import { readSealed } from '../io/repository/sealed-object.ts';

/** Fails: backup-not-found, format-unsupported, damaged-object (it is not whole, or says that it is another backup's). */
export async function readManifest(repository: Repository, database: string, label: string): Promise<Manifest> {
  const key = manifestKey(database, label);
  const manifest = await readSealed(repository, key, manifestSchema);
  if (manifest === undefined) throw new RstowError('backup-not-found', `backup "${label}" is gone`, { details: { key } });
  if (manifest.database === database && manifest.label === label) return manifest;
  const owner = `database "${manifest.database}", backup "${manifest.label}"`;
  throw new RstowError('damaged-object', `${key} belongs to ${owner}`, { details: { key } });
}

/** `unreadable`: it is damaged, or of a newer rstow; the error says which. */
export type ManifestState = { kind: 'read'; manifest: Manifest } | { kind: 'unreadable'; error: RstowError } | { kind: 'absent' };

/** What is there of a backup. Fails: repository-unavailable. */
export async function manifestState(repository: Repository, database: string, label: string): Promise<ManifestState> {
  try {
    return { kind: 'read', manifest: await readManifest(repository, database, label) };
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    if (error.code === 'backup-not-found') return { kind: 'absent' };
    if (isUnreadable(error.code)) return { kind: 'unreadable', error };
    throw error;
  }
}

/** Undefined if it is damaged, of a newer version, or gone by now. */
export async function readableManifest(repository: Repository, database: string, label: string): Promise<Manifest | undefined> {
  const state = await manifestState(repository, database, label);
  return state.kind === 'read' ? state.manifest : undefined;
}

/** What a backup's own warnings say of why it can't be restored. */
const REASONS = ['wal-gap', 'state-lacking'];

/** Fails: wal-gap, if a server could not start from this backup with everything in it. */
export function requireRestorable(manifest: Manifest): void {
  if (manifest.restorable === 'no') throw notRestorable(manifest, '');
}

/** The same, and names the backup that can be restored instead. */
export async function requireRestorableOr(manifest: Manifest, findNewest: () => Promise<string | null>): Promise<void> {
  if (manifest.restorable !== 'no') return;
  const newest = await findNewest();
  throw notRestorable(
    manifest,
    newest === null ? '; no backup here can be restored' : `; the newest backup that can be restored is ${newest}`,
  );
}

/** The label of the newest backup that a restore takes; null if there is none. Reads manifests until one is found. */
export async function firstRestorable(
  backups: readonly { label: string }[],
  read: (label: string) => Promise<Manifest | undefined>,
): Promise<string | null> {
  for (const { label } of backups) {
    const manifest = await read(label);
    if (manifest !== undefined && manifest.restorable !== 'no') return label;
  }
  return null;
}

function notRestorable({ label, warnings }: Manifest, instead: string): RstowError {
  const reason = warnings.find(({ code }) => REASONS.includes(code))?.message ?? 'its log is not whole';
  return new RstowError('wal-gap', `backup ${label} can’t be restored: ${reason}${instead}`, { details: { label } });
}

/** Undefined where one object can't be used: to say so is a verification's, and here it must keep nobody from the others. */
export async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof RstowError && isUnreadable(error.code)) return undefined;
    throw error;
  }
}
