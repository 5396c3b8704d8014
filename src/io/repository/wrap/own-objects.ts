import { isForeignKey } from '../../../core/repository/object-keys.ts';
import type { Repository } from '../port.ts';

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
  return {
    ...repository,
    list: (prefix, options) => own(repository.list(prefix, options), ({ key }) => key, name),
    keys: (prefix, options) => own(repository.keys(prefix, options), (key) => key, name),
  };
}

/** A folder that stands for what lies in it is no object of others. */
async function* own<Item>(items: AsyncIterable<Item>, keyOf: (item: Item) => string, name: (key: string) => void): AsyncGenerator<Item> {
  for await (const item of items) {
    const key = keyOf(item);
    if (!key.endsWith('/') && isForeignKey(key)) name(key);
    else yield item;
  }
}
