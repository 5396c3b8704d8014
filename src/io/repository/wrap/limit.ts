import { addAbortSignal, Readable, Writable } from 'node:stream';
import type { ReadOptions, Repository, StagedObject } from '../port.ts';
import { type CallGate, SYNC } from './call-gate.ts';

/** So many keys are deleted by one call, whose time is bounded. */
const KEYS_AT_ONCE = 100;

/** So many objects are listed by one call at most; a reader that stops early has caused few in vain. */
const OBJECTS_AT_ONCE = 256;

/** The same repository, each of whose calls passes the gate: one that hangs says so, in time. */
export function limited(repository: Repository, gate: CallGate): Repository {
  const { versions, retainUntil } = repository;
  return {
    description: repository.description,
    properties: repository.properties,
    signing: repository.signing,
    read: (key, options) => gate.call(`read ${key}`, () => repository.read(key, options)),
    openRead: (key, options) => openLimited(repository, gate, { key, ...options }),
    put: (key, bytes) => gate.call(`put ${key}`, () => repository.put(key, bytes), SYNC),
    stage: async (expectedKey) => {
      const release = (staged: StagedObject): Promise<void> => staged.discard();
      return limitedStage(await gate.call(`put ${expectedKey}`, () => repository.stage(expectedKey), { ...SYNC, release }), gate);
    },
    list: (prefix, options) => limitedList(repository.list(prefix, options), gate, { prefix, signal: options?.signal }),
    keys: (prefix, options) => limitedList(repository.keys(prefix, options), gate, { prefix, signal: options?.signal }),
    move: (fromKey, toKey) => gate.call(`move ${fromKey}`, () => repository.move(fromKey, toKey), SYNC),
    deleteMany: async (keys, { signal } = {}) => {
      for (let first = 0; first < keys.length; first += KEYS_AT_ONCE) {
        const some = keys.slice(first, first + KEYS_AT_ONCE);
        await gate.call(`delete ${some[0]}`, () => repository.deleteMany(some, { signal }), { ...SYNC, signal });
      }
    },
    freeBytes: () => gate.call('measure its free space', () => repository.freeBytes()),
    versions: versions && ((prefix, options) => limitedList(versions(prefix, options), gate, { prefix, signal: options?.signal })),
    retainUntil: retainUntil && ((keys, untilMs) => gate.call(`keep ${keys[0]} from deletion`, () => retainUntil(keys, untilMs), SYNC)),
  };
}

async function openLimited(
  repository: Repository,
  gate: CallGate,
  { key, signal, ...wanted }: ReadOptions & { key: string },
): Promise<Readable | undefined> {
  const doing = `read ${key}`;
  const stream = await gate.call(doing, () => repository.openRead(key, wanted), { signal, release: (late) => late?.destroy() });
  if (stream === undefined) return undefined;
  const bounded = limitedSource(stream, { gate, doing });
  return signal === undefined ? bounded : addAbortSignal(signal, bounded);
}

type Listing = { prefix: string; signal: AbortSignal | undefined };

/** A call gives one object, the next one two, and so on: a bound for each of 35,000 would cost more than the objects. */
async function* limitedList<Item>(items: AsyncIterable<Item>, gate: CallGate, { prefix, signal }: Listing): AsyncGenerator<Item> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (let sizeMax = 1; ; sizeMax = Math.min(2 * sizeMax, OBJECTS_AT_ONCE)) {
      const page = await gate.call(`list ${prefix}`, () => nextOf(iterator, sizeMax), { signal });
      for (const item of page) {
        signal?.throwIfAborted();
        yield item;
      }
      if (page.length < sizeMax) return;
    }
  } finally {
    // Not waited for: behind a call that hangs it would hang as well.
    void iterator.return?.().catch(() => undefined);
  }
}

async function nextOf<Item>(iterator: AsyncIterator<Item>, sizeMax: number): Promise<Item[]> {
  const page: Item[] = [];
  while (page.length < sizeMax) {
    const next = await iterator.next();
    if (next.done === true) break;
    page.push(next.value);
  }
  return page;
}

/**
 * The time between two reads is the reader's own, and isn't counted. A read that hangs keeps its place, and its thread,
 * also when nobody waits for it any more.
 */
function limitedSource(source: Readable, { gate, doing }: { gate: CallGate; doing: string }): Readable {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  let reading: Promise<unknown> = Promise.resolve();
  const readNext = (): Promise<IteratorResult<Buffer, undefined>> => {
    const next = chunks.next();
    reading = next.catch(() => undefined);
    return next;
  };
  return new Readable({
    highWaterMark: source.readableHighWaterMark,
    read() {
      gate.call(doing, readNext).then(
        (next) => this.push(next.done === true ? null : next.value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      void reading.then(() => source.destroy());
      callback(error);
    },
  });
}

function limitedStage(staged: StagedObject, gate: CallGate): StagedObject {
  const { sink } = staged;
  sink.on('error', () => undefined);
  return {
    sink: new Writable({
      highWaterMark: sink.writableHighWaterMark,
      write: (chunk: Buffer, _encoding, callback) => {
        gate.call('write an object', () => written(sink, chunk)).then(() => callback(), callback);
      },
      final: (callback) => {
        gate.call('write an object', () => finished(sink), SYNC).then(() => callback(), callback);
      },
    }),
    takes: (key) => staged.takes(key),
    commit: (key) => gate.call(`put ${key}`, () => staged.commit(key), SYNC),
    discard: () => gate.call('discard a staged object', () => staged.discard(), SYNC),
  };
}

function written(sink: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => sink.write(chunk, (error) => (error ? reject(error) : resolve())));
}

function finished(sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.end((error?: Error | null) => (error ? reject(error) : resolve()));
  });
}
