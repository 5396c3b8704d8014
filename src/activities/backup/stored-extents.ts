import { type StoredExtents, storedExtentsSchema } from '../../formats/repository/stored-extents.ts';
import type { Repository } from '../../io/repository/port.ts';
import { readOwn } from '../../io/repository/sealed-object.ts';

/** How far each segment is stored. Fails: missing-object, truncated-object, damaged-object. */
export function readStoredExtents(repository: Repository, extentsKey: string): Promise<StoredExtents> {
  return readOwn(repository, extentsKey, storedExtentsSchema);
}
