import { Writable } from 'node:stream';
import type { ListedObject, Repository, StagedObject } from '../port.ts';
import { createListings, isWithin, type Listings, type Moment, now } from './recalled-listings.ts';

const OBJECT_SIZE_BYTES_MAX = 2 * 1024 * 1024;
const OBJECTS_SIZE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * The same repository, which answers from its memory where the caller says how old an answer may be: with what has passed through here
 * since, and without what others have done. What could not be put or deleted for sure is forgotten.
 */
export function recalling(repository: Repository): Repository {
  const memory: Memory = { listings: createListings(), objects: createObjects() };
  const { listings, objects } = memory;
  const changing = { memory, repository };
  return {
    ...repository,
    read: async (key, options) => {
      const { recalledMs, sizeBytesMax, versionId } = options;
      if (recalledMs === undefined || versionId !== undefined) return repository.read(key, options);
      const known = objects.find(key, recalledMs);
      if (known !== undefined && known.length <= sizeBytesMax) return Uint8Array.from(known);
      const askedAt = now();
      const bytes = await repository.read(key, options);
      if (bytes !== undefined) objects.keep(key, bytes, askedAt);
      return bytes;
    },
    put: async (key, bytes) => {
      const outcome = await put(memory, { key, sizeBytes: bytes.length }, () => repository.put(key, bytes));
      if (outcome === 'stored' && key.endsWith('.json')) objects.keep(key, bytes, now());
      return outcome;
    },
    stage: async (expectedKey) => noticedStage(memory, await repository.stage(expectedKey)),
    list: (prefix, options = {}) =>
      options.recalledMs === undefined ? repository.list(prefix, options) : listings.list(repository, prefix, options),
    keys: (prefix, options = {}) =>
      options.recalledMs === undefined ? repository.keys(prefix, options) : keysOf(listings.list(repository, prefix, options)),
    move: (fromKey, toKey) => move(changing, fromKey, toKey),
    deleteMany: async (keys, options) => {
      await changed(memory, keys, () => repository.deleteMany(keys, options));
      listings.removed(keys);
    },
  };
}

type Memory = { listings: Listings; objects: Objects };

/** What fails may have been done all the same. */
async function changed<T>({ listings, objects }: Memory, keys: readonly string[], change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    listings.doubt(keys);
    throw error;
  } finally {
    objects.forget(keys);
  }
}

type Put = () => Promise<'stored' | 'exists'>;

async function put(memory: Memory, { key, sizeBytes }: { key: string; sizeBytes: number }, action: Put): ReturnType<Put> {
  const outcome = await changed(memory, [key], action);
  if (outcome === 'stored') memory.listings.added({ key, sizeBytes, modifiedAtMs: Date.now() });
  else memory.listings.met(key);
  return outcome;
}

async function move({ memory, repository }: { memory: Memory; repository: Repository }, fromKey: string, toKey: string): Promise<void> {
  const keys = [fromKey, toKey];
  await changed(memory, keys, () => repository.move(fromKey, toKey));
  memory.listings.removed([fromKey]);
  memory.listings.doubt([toKey]);
}

function noticedStage(memory: Memory, staged: StagedObject): StagedObject {
  const { sink } = staged;
  let sizeBytes = 0;
  sink.on('error', () => undefined);
  return {
    sink: new Writable({
      highWaterMark: sink.writableHighWaterMark,
      write: (chunk: Uint8Array, _encoding, callback) => {
        sizeBytes += chunk.length;
        sink.write(chunk, callback);
      },
      final: (callback) => void sink.end(callback),
    }),
    takes: (key) => staged.takes(key),
    commit: (key) => put(memory, { key, sizeBytes }, () => staged.commit(key)),
    discard: () => staged.discard(),
  };
}

/** The same repository: what it has read once under a key needn't be read again. For objects that are known to be there, or whose loss is found elsewhere. */
export function remembered(repository: Repository): Repository {
  return { ...repository, read: (key, options) => repository.read(key, { ...options, recalledMs: Number.POSITIVE_INFINITY }) };
}

async function* keysOf(objects: AsyncIterable<ListedObject>): AsyncGenerator<string> {
  for await (const { key } of objects) yield key;
}

type Objects = {
  find(key: string, recalledMs: number): Uint8Array | undefined;
  keep(key: string, bytes: Uint8Array, since: Moment): void;
  forget(keys: readonly string[]): void;
};

/** The small objects that were read or put last. */
function createObjects(): Objects {
  const kept = new Map<string, { bytes: Uint8Array; since: Moment }>();
  let sizeBytes = 0;
  const forget = (keys: readonly string[]): void => {
    for (const key of keys) {
      sizeBytes -= kept.get(key)?.bytes.length ?? 0;
      kept.delete(key);
    }
  };
  return {
    forget,
    find: (key, recalledMs) => {
      const found = kept.get(key);
      return found !== undefined && isWithin(found.since, recalledMs) ? found.bytes : undefined;
    },
    keep: (key, bytes, since) => {
      forget([key]);
      if (bytes.length > OBJECT_SIZE_BYTES_MAX) return;
      kept.set(key, { bytes: Uint8Array.from(bytes), since });
      sizeBytes += bytes.length;
      for (const oldest of kept.keys()) {
        if (sizeBytes <= OBJECTS_SIZE_BYTES_MAX) break;
        forget([oldest]);
      }
    },
  };
}
