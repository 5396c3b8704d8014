import type { Repository } from '../io/repository/port.ts';
import { scopeBy, backupsOf } from './backups.ts';
import type { StoreDeps } from './each-repository.ts';
import type { Manifest } from '../formats/repository/manifest.ts';

export { requireRestorable } from './manifests.ts';

// Until every verb opens a Store.

export const newestRestorable = (deps: StoreDeps, repository: Repository, database: string): Promise<string | null> =>
  backupsOf(scopeBy(deps, { repository, database })).newestRestorable();

export const requireRestorableOrName = (deps: StoreDeps, repository: Repository, manifest: Manifest): Promise<void> =>
  backupsOf(scopeBy(deps, { repository, database: manifest.database })).requireRestorable(manifest);
