import { addAbortSignal, Readable, Writable } from 'node:stream';
import { type CallGate, SYNC } from './call-gate.ts';
import type { ListedObject, Repository, StagedObject } from '../port.ts';

/** The same repository, each of whose calls passes the gate: one that hangs says so, in time. */
export function boundedRepository(repository: Repository, gate: CallGate): Repository {
  return {
    description: repository.description,
    read: (key, options) => gate.call(`read ${key}`, () => repository.read(key, options)),
    openRead: async (key, { signal } = {}) => {
      signal?.throwIfAborted();
      const doing = `read ${key}`;
      const stream = await gate.call(doing, () => repository.openRead(key));
      if (stream === undefined) return undefined;
      const bounded = boundedSource(stream, { gate, doing });
      return signal === undefined ? bounded : addAbortSignal(signal, bounded);
    },
    put: (key, bytes) => gate.call(`put ${key}`, () => repository.put(key, bytes), SYNC),
    stage: async () => boundedStage(await gate.call('stage an object', () => repository.stage(), SYNC), gate),
    list: (prefix) => boundedList(repository.list(prefix), { gate, doing: `list ${prefix}` }),
    move: (fromKey, toKey) => gate.call(`move ${fromKey}`, () => repository.move(fromKey, toKey), SYNC),
    delete: (key) => gate.call(`delete ${key}`, () => repository.delete(key), SYNC),
    freeBytes: () => gate.call('measure its free space', () => repository.freeBytes()),
  };
}

type Bounded = { gate: CallGate; doing: string };

async function* boundedList(objects: AsyncIterable<ListedObject>, { gate, doing }: Bounded): AsyncGenerator<ListedObject> {
  const iterator = objects[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await gate.call(doing, () => iterator.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for: behind a call that hangs it would hang as well.
    void iterator.return?.().catch(() => undefined);
  }
}

/**
 * The time between two reads is the reader's own, and isn't counted. A read that hangs keeps its place, and its thread,
 * also when nobody waits for it any more.
 */
function boundedSource(source: Readable, { gate, doing }: Bounded): Readable {
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

function boundedStage(staged: StagedObject, gate: CallGate): StagedObject {
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
    commit: (key) => gate.call(`put ${key}`, () => staged.commit(key), SYNC),
    discard: () => gate.call('discard a staged object', () => staged.discard(), SYNC),
  };
}

function written(sink: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => sink.write(chunk, (error) => (error ? reject(error) : resolve())));
}

function finished(sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.once('error', reject);
    sink.end(() => resolve());
  });
}
