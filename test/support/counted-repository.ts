/** A repository whose calls cost money, and what a bucket's owner would pay for. */
import { Writable } from 'node:stream';
import { createMemoryRepository } from '../../src/io/repository/memory.ts';
import { createOpener } from '../../src/io/repository/open.ts';
import type { KeysOptions, Repository, StagedObject } from '../../src/io/repository/port.ts';

/** As S3 gives them, and takes them, by one request. */
const KEYS_OF_A_PAGE = 1000;

/** What is larger is sent in parts, beside a request that begins and one that ends it. */
const PART_SIZE_BYTES = 8 * 1024 * 1024;

export type Calls = {
  /** Each request but deletions, in order: `list <prefix>`, `read <key>`, `put <key>`, `copy <key>`. */
  readonly paid: readonly string[];
  /** Deletions cost nothing. */
  readonly free: readonly string[];
  /** How many were paid for since the last call of this. */
  taken(): string[];
};

/** In memory; a second one over the same objects, as another host has it, is `over`. */
export function countedRepository(over: Repository = createMemoryRepository({ callsCost: true })): {
  repository: Repository;
  calls: Calls;
} {
  const paid: string[] = [];
  const free: string[] = [];
  let taken = 0;
  const repository: Repository = {
    ...over,
    read: async (key, options) => {
      paid.push(`read ${key}`);
      return over.read(key, options);
    },
    openRead: async (key, options) => {
      paid.push(`read ${key}`);
      return over.openRead(key, options);
    },
    put: async (key, bytes) => {
      paid.push(...puts(key, bytes.length));
      return over.put(key, bytes);
    },
    stage: async (expected) => countedStage(await over.stage(expected), paid),
    list: (prefix, options) => pages(over.list(prefix, options), listing(prefix, options), paid),
    keys: (prefix, options) => pages(over.keys(prefix, options), listing(prefix, options), paid),
    move: async (fromKey, toKey) => {
      paid.push(`copy ${fromKey}`);
      return over.move(fromKey, toKey);
    },
    deleteMany: async (keys, options) => {
      for (let first = 0; first < keys.length; first += KEYS_OF_A_PAGE) free.push(`delete ${keys[first]}`);
      return over.deleteMany(keys, options);
    },
  };
  const calls: Calls = {
    paid,
    free,
    taken: () => {
      const since = paid.slice(taken);
      taken = paid.length;
      return since;
    },
  };
  return { repository, calls };
}

const listing = (prefix: string, options: KeysOptions | undefined): string =>
  options?.folded === true ? `list ${prefix} (folded)` : `list ${prefix}`;

async function* pages<Item>(items: AsyncIterable<Item>, call: string, paid: string[]): AsyncGenerator<Item> {
  let given = 0;
  paid.push(call);
  for await (const item of items) {
    if (given > 0 && given % KEYS_OF_A_PAGE === 0) paid.push(call);
    given += 1;
    yield item;
  }
}

function puts(key: string, sizeBytes: number): string[] {
  if (sizeBytes <= PART_SIZE_BYTES) return [`put ${key}`];
  return Array.from({ length: 2 + Math.ceil(sizeBytes / PART_SIZE_BYTES) }, () => `put ${key}`);
}

function countedStage(staged: StagedObject, paid: string[]): StagedObject {
  let sizeBytes = 0;
  const sink = new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      sizeBytes += chunk.length;
      staged.sink.write(chunk, done);
    },
    final: (done) => void staged.sink.end(done),
  });
  return {
    sink,
    takes: (key) => staged.takes(key),
    commit: async (key) => {
      paid.push(...puts(key, sizeBytes));
      return staged.commit(key);
    },
    discard: () => staged.discard(),
  };
}

/** As an agent opens it, with its retries, limits and all that it remembers. */
export function openedAs(repository: Repository): (name: string) => Promise<Repository> {
  const { properties, description } = repository;
  let id: string | undefined;
  return createOpener({
    backend: { description, properties, open: async () => Promise.resolve(repository) },
    answerMs: 15_000,
    check: async () => Promise.resolve(),
    knownId: {
      read: async () => Promise.resolve(id),
      keep: async (found) => {
        id = found;
        return Promise.resolve();
      },
    },
    onForeign: () => undefined,
  });
}
