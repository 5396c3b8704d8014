import { isForeignKey } from '../../../core/repository/object-keys.ts';
import type { ListedObject, Repository } from '../port.ts';

/** So many are enough to see whose they are. */
const NAMED_MAX = 5;

/** The same repository without what others have put among its objects; `onForeign` is called once for each, for 5 at most. */
export function ownObjects(repository: Repository, onForeign: (key: string) => void): Repository {
  const named = new Set<string>();
  const name = (key: string): void => {
    if (named.has(key) || named.size === NAMED_MAX) return;
    named.add(key);
    onForeign(key);
  };
  return { ...repository, list: (prefix) => own(repository.list(prefix), name) };
}

async function* own(objects: AsyncIterable<ListedObject>, name: (key: string) => void): AsyncGenerator<ListedObject> {
  for await (const object of objects) {
    if (isForeignKey(object.key)) name(object.key);
    else yield object;
  }
}
