import type { Manifest } from '../../formats/repository/manifest.ts';
import { type Alternative, type Selectable, selectBackup } from '../../core/backup/selection.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { unlessUnreadable } from '../../io/repository/sealed-object.ts';
import { partOfBackups } from '../../store/manifests.ts';
import type { Store } from '../../store/store.ts';

export type FindAlternativeInput = {
  database: string;
  repository?: string | undefined;
  /** As a person named it. */ backup: string;
  damagedKey: string;
};

/**
 * What can be restored although an object is damaged, judged by what is listed: nothing is read but manifests. Null
 * where the object is no part of a backup, so that another backup would not help.
 * Fails: backup-not-found, repository-unavailable. Twice: the same.
 */
export const findAlternative =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, backup, damagedKey }: FindAlternativeInput): Promise<Alternative | null> => {
    const part = partOfBackups(database, damagedKey);
    if (part === undefined) return null;
    const store = await deps.openStore(database, wanted);
    const backups = await store.backups.selectable();
    const label = part.manifestOf ?? selectBackup(backups, backup);
    if (part.manifestOf === undefined) {
      const manifest = await store.backups.readable(label);
      if (manifest !== undefined && (await isWhole(store, manifest, damagedKey))) {
        return { kind: (await needs(store, manifest, damagedKey)) ? 'other-cover' : 'same', label };
      }
    }
    for (const older of olderThan(label, backups)) {
      const manifest = await store.backups.readable(older);
      if (manifest === undefined || manifest.restorable === 'no' || (await needs(store, manifest, damagedKey))) continue;
      if (await isWhole(store, manifest, damagedKey)) return { kind: 'older', label: older };
    }
    return { kind: 'none' };
  };

/** In the order in which they would be wanted; those that nobody can place come last. */
function olderThan(label: string, backups: Selectable): string[] {
  const labels = backups.map((backup) => backup.label);
  return labels.slice(labels.indexOf(label) + 1);
}

/** Whether a restore would read the object now. */
async function needs(store: Store, manifest: Manifest, key: string): Promise<boolean> {
  const planned = await unlessUnreadable(store.pieces.plan(manifest));
  return planned?.some(({ slices }) => slices.some((slice) => slice.key === key)) === true;
}

/** Whether every byte is listed without the object. */
async function isWhole(store: Store, manifest: Manifest, exceptKey: string): Promise<boolean> {
  return (await unlessUnreadable(store.pieces.plan(manifest, { exceptKey }))) !== undefined;
}
