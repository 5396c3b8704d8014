import { type StoredExtents, storedExtentsSchema } from '../../config/repository-json/stored-extents.ts';
import { assert } from '../../core/errors/assert.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { readSealed } from '../../io/repository/sealed-object.ts';

/** How far each segment is stored. Fails: damaged-object. */
export async function readStoredExtents(repository: Repository, extentsKey: string): Promise<StoredExtents> {
  const extents = await readSealed(repository, extentsKey, storedExtentsSchema);
  assert(extents !== undefined, 'the extents were stored before the step that reads them');
  return extents;
}
