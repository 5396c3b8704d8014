import { addAbortSignal, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../../core/errors/rstow-error.ts';
import type { KeysOptions, ReadOptions, Repository, StagedObject } from '../port.ts';

export type Patience = {
  /** Of one call, or of a stream or a listing that makes no progress. */
  triesMax: number;
  /** Each further wait is twice as long. */
  firstWaitMs: number;
};

/**
 * The same repository, whose calls are tried again while it is `repository-unavailable`: a stream and a listing go on
 * where they broke off. What is written into a staged object's sink can't be asked for again, and isn't.
 */
export function retried(repository: Repository, patience: Patience): Repository {
  const { versions, retainUntil } = repository;
  const again = <T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> => tried(action, { ...patience, signal });
  return {
    description: repository.description,
    properties: { ...repository.properties, failsInPassing: false },
    signing: repository.signing,
    read: (key, options) => again(() => repository.read(key, options)),
    openRead: (key, options) => openRetried(repository, patience, { key, ...options }),
    put: (key, bytes) => putRetried(repository, patience, { key, bytes }),
    stage: async (expectedKey) => retriedStage(await again(() => repository.stage(expectedKey)), again),
    list: (prefix, options) => {
      const listing = { options, patience, keyOf: ({ key }: { key: string }): string => key };
      return listRetried((rest) => repository.list(prefix, rest), listing);
    },
    keys: (prefix, options) => listRetried((rest) => repository.keys(prefix, rest), { options, patience, keyOf: (key) => key }),
    move: (fromKey, toKey) => again(() => repository.move(fromKey, toKey)),
    deleteMany: (keys, options) => again(() => repository.deleteMany(keys, options), options?.signal),
    freeBytes: () => again(() => repository.freeBytes()),
    versions: versions && ((prefix, options) => allAgain(() => versions(prefix, options), again)),
    retainUntil: retainUntil && ((keys, untilMs) => again(() => retainUntil(keys, untilMs))),
  };
}

type Again = <T>(action: () => Promise<T>) => Promise<T>;
/** All at once: of what is damaged there are few. */
async function* allAgain<Item>(list: () => AsyncIterable<Item>, again: Again): AsyncGenerator<Item> {
  yield* await again(async () => {
    const items: Item[] = [];
    for await (const item of list()) items.push(item);
    return items;
  });
}

type Trying = Patience & { signal: AbortSignal | undefined };

/** Tries again while it is `repository-unavailable`. */
export async function tried<T>(action: () => Promise<T>, trying: Trying): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await action();
    } catch (error) {
      await waitOrThrow(error, (failures += 1), trying);
    }
  }
}

async function waitOrThrow(error: unknown, failures: number, { triesMax, firstWaitMs, signal }: Trying): Promise<void> {
  const isPassing = error instanceof RstowError && error.code === 'repository-unavailable';
  if (!isPassing || failures >= triesMax) throw error;
  signal?.throwIfAborted();
  await sleep(firstWaitMs * 2 ** (failures - 1), undefined, { signal });
}

/** An earlier try may have stored the bytes although its answer was lost: then the name is taken by our own object. */
async function putRetried(
  repository: Repository,
  patience: Patience,
  object: { key: string; bytes: Uint8Array },
): Promise<'stored' | 'exists'> {
  const { key, bytes } = object;
  let tries = 0;
  const put = (): Promise<'stored' | 'exists'> => {
    tries += 1;
    return repository.put(key, bytes);
  };
  const outcome = await tried(put, { ...patience, signal: undefined });
  if (outcome === 'stored' || tries === 1) return outcome;
  const there = await openRetried(repository, patience, { key, range: { startBytes: 0, endBytes: bytes.length + 1 } });
  return there !== undefined && (await buffer(there)).equals(bytes) ? 'stored' : 'exists';
}

/** Whether an earlier try of a commit took the name can't be told here: it is `exists`, and the caller compares. */
function retriedStage(staged: StagedObject, again: Again): StagedObject {
  return {
    sink: staged.sink,
    takes: (key) => staged.takes(key),
    commit: (key) => again(() => staged.commit(key)),
    discard: () => again(() => staged.discard()),
  };
}

type Listing<Item> = { options: KeysOptions | undefined; patience: Patience; keyOf: (item: Item) => string };

async function* listRetried<Item>(
  list: (options: KeysOptions) => AsyncIterable<Item>,
  { options = {}, patience, keyOf }: Listing<Item>,
): AsyncGenerator<Item> {
  let { startAfter } = options;
  for (let failures = 0; ;) {
    try {
      for await (const item of list({ ...options, startAfter })) {
        failures = 0;
        startAfter = keyOf(item);
        yield item;
      }
      return;
    } catch (error) {
      await waitOrThrow(error, (failures += 1), { ...patience, signal: options.signal });
    }
  }
}

type Opening = ReadOptions & { key: string };

async function openRetried(
  repository: Repository,
  patience: Patience,
  { key, range, versionId, signal }: Opening,
): Promise<Readable | undefined> {
  const { startBytes, endBytes } = range ?? { startBytes: 0, endBytes: Number.MAX_SAFE_INTEGER };
  const first = await tried(() => repository.openRead(key, { range, versionId, signal }), { ...patience, signal });
  if (first === undefined) return undefined;
  const openAt = async (positionBytes: number): Promise<Readable> => {
    const rest = await repository.openRead(key, { range: { startBytes: startBytes + positionBytes, endBytes }, versionId, signal });
    if (rest !== undefined) return rest;
    throw new RstowError('missing-object', `${key} was removed while it was read`, { details: { key } });
  };
  const chunks = continued(first, openAt, { ...patience, signal });
  const stream = Readable.from(chunks, { objectMode: false, highWaterMark: first.readableHighWaterMark });
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

/** The bytes of a stream, opened anew where it broke off. */
async function* continued(
  first: Readable,
  openAt: (positionBytes: number) => Promise<Readable>,
  trying: Trying,
): AsyncGenerator<Uint8Array> {
  let stream: Readable | undefined = first;
  let positionBytes = 0;
  for (let failures = 0; ;) {
    try {
      stream ??= await openAt(positionBytes);
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        positionBytes += chunk.length;
        failures = 0;
        yield chunk;
      }
      return;
    } catch (error) {
      stream = undefined;
      await waitOrThrow(error, (failures += 1), trying);
    }
  }
}
