import { foldedKey } from '../object-key.ts';
import type { KeysOptions, ListedObject, Repository } from '../port.ts';

/** What comes by one request, also if the reader stops before. */
const KEYS_AT_ONCE = 1000;

/** Of all listings that are remembered. */
const KEYS_MAX = 200_000;

/** By two clocks, whichever says more: a process may have been frozen, and a clock may be set. */
export type Moment = { wallMs: number; steadyMs: number };

export const now = (): Moment => ({ wallMs: Date.now(), steadyMs: performance.now() });

export function isWithin({ wallMs, steadyMs }: Moment, ms: number): boolean {
  return Math.max(Math.abs(Date.now() - wallMs), performance.now() - steadyMs) <= ms;
}

/** What was listed under one prefix, with what this process has changed since. */
type Listing = {
  prefix: string;
  folded: boolean;
  since: Moment;
  objects: Map<string, ListedObject>;
  /** The same, sorted; made when it is wanted. */
  sorted?: ListedObject[] | undefined;
  /** It is known up to this key; null: to the end; undefined: not yet. */
  until?: string | null | undefined;
  /** While it is under way: what has changed. A page may be older than that. */
  changes: Map<string, ListedObject | undefined>;
  isDoubtful: boolean;
};

export type Listings = {
  /** From memory, or anew. */
  list(repository: Repository, prefix: string, options: KeysOptions): AsyncIterable<ListedObject>;
  added(object: ListedObject): void;
  removed(keys: readonly string[]): void;
  /** An object that was there already. */
  met(key: string): void;
  /** Nobody knows whether they are there. */
  doubt(keys: readonly string[]): void;
};

type Memory = { kept: Map<string, Listing>; underWay: Set<Listing> };

export function createListings(): Listings {
  const memory: Memory = { kept: new Map(), underWay: new Set() };
  return {
    list: (repository, prefix, options) => {
      const known = find(memory, prefix, options);
      if (known !== undefined) return recalled(repository, known, { ...options, prefix });
      if (options.startAfter !== undefined) return listed(repository, prefix, options);
      return listAndKeep(memory, repository, { prefix, options });
    },
    added: (object) => change(memory, object.key, object),
    removed: (keys) => {
      for (const key of keys) change(memory, key, undefined);
    },
    met: (key) => {
      for (const listing of concerned(memory, key)) if (!isKnown(listing, key)) drop(memory, listing);
    },
    doubt: (keys) => {
      for (const key of keys) for (const listing of concerned(memory, key)) drop(memory, listing);
    },
  };
}

function find({ kept }: Memory, prefix: string, { folded = false, recalledMs = 0 }: KeysOptions): Listing | undefined {
  const same = kept.get(nameOf({ prefix, folded }));
  if (same !== undefined && isWithin(same.since, recalledMs)) return same;
  const covers = (other: Listing): boolean => !folded && !other.folded && other.until === null && prefix.startsWith(other.prefix);
  return [...kept.values()].find((other) => covers(other) && isWithin(other.since, recalledMs));
}

async function* listAndKeep(
  memory: Memory,
  repository: Repository,
  { prefix, options }: { prefix: string; options: KeysOptions },
): AsyncGenerator<ListedObject> {
  const { folded = false } = options;
  const listing: Listing = { prefix, folded, since: now(), objects: new Map(), changes: new Map(), isDoubtful: false };
  memory.underWay.add(listing);
  try {
    yield* listedAnew(repository, listing, options);
  } finally {
    memory.underWay.delete(listing);
    if (!listing.isDoubtful && listing.until !== undefined) keep(memory, listing);
  }
}

function keep(memory: Memory, listing: Listing): void {
  for (const [name, object] of listing.changes) apply(listing, name, object);
  listing.changes.clear();
  const { kept } = memory;
  kept.delete(nameOf(listing));
  kept.set(nameOf(listing), listing);
  let keys = [...kept.values()].reduce((sum, { objects }) => sum + objects.size, 0);
  for (const oldest of kept.values()) {
    if (keys <= KEYS_MAX) break;
    keys -= oldest.objects.size;
    drop(memory, oldest);
  }
}

const concerned = ({ kept, underWay }: Memory, key: string): Listing[] =>
  [...kept.values(), ...underWay].filter(({ prefix }) => key.startsWith(prefix));

function drop({ kept }: Memory, listing: Listing): void {
  listing.isDoubtful = true;
  if (kept.get(nameOf(listing)) === listing) kept.delete(nameOf(listing));
}

/** Nobody knows whether anything is left in a folder from which something was removed. */
function change(memory: Memory, key: string, object: ListedObject | undefined): void {
  for (const listing of concerned(memory, key)) {
    const name = listing.folded ? foldedKey(listing.prefix, key) : key;
    const named = object && { ...object, key: name };
    if (object === undefined && name !== key) drop(memory, listing);
    else if (memory.underWay.has(listing)) listing.changes.set(name, named);
    else apply(listing, name, named);
  }
}

const nameOf = ({ prefix, folded }: Pick<Listing, 'prefix' | 'folded'>): string => (folded ? `/${prefix}` : prefix);

/** What lies behind that which is known needn't be known. */
function apply(listing: Listing, name: string, object: ListedObject | undefined): void {
  if (typeof listing.until === 'string' && name > listing.until) return;
  if (object === undefined) listing.objects.delete(name);
  else listing.objects.set(name, object);
  listing.sorted = undefined;
}

function isKnown({ prefix, folded, objects, until }: Listing, key: string): boolean {
  const name = folded ? foldedKey(prefix, key) : key;
  return objects.has(name) || (typeof until === 'string' && name > until);
}

/** Takes whole pages, so that one is known though its reader wanted a part. */
async function* listedAnew(repository: Repository, listing: Listing, options: KeysOptions): AsyncGenerator<ListedObject> {
  const items = listed(repository, listing.prefix, options);
  try {
    for (;;) {
      const page: ListedObject[] = [];
      while (page.length < KEYS_AT_ONCE) {
        const next = await items.next();
        if (next.done === true) break;
        page.push(next.value);
      }
      for (const object of page) listing.objects.set(object.key, object);
      const isLast = page.length < KEYS_AT_ONCE;
      listing.until = isLast ? null : page.at(-1)?.key;
      for (const object of page) {
        options.signal?.throwIfAborted();
        yield object;
      }
      if (isLast) return;
    }
  } finally {
    await items.return(undefined);
  }
}

async function* recalled(
  repository: Repository,
  listing: Listing,
  { prefix, startAfter = '', folded, signal }: KeysOptions & { prefix: string },
): AsyncGenerator<ListedObject> {
  const { until } = listing;
  const objects = (listing.sorted ??= [...listing.objects.values()].sort((one, other) => (one.key < other.key ? -1 : 1)));
  for (const object of objects) {
    signal?.throwIfAborted();
    if (object.key > startAfter && object.key.startsWith(prefix)) yield object;
  }
  if (typeof until !== 'string') return;
  yield* listed(repository, prefix, { startAfter: until > startAfter ? until : startAfter, folded, signal });
}

/** Of a folder only its name is known. */
async function* listed(repository: Repository, prefix: string, options: KeysOptions): AsyncGenerator<ListedObject, void> {
  if (options.folded !== true) {
    yield* repository.list(prefix, options);
    return;
  }
  for await (const key of repository.keys(prefix, options)) yield { key, sizeBytes: 0, modifiedAtMs: 0 };
}
