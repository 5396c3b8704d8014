import { addAbortSignal, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../../core/errors/rstow-error.ts';
import type { ReadOptions, Repository } from '../port.ts';

/** What goes wrong. Shares are from 0 to 1. */
export type Faults = {
  /** Of the calls: fail before they have done anything. */
  failing?: number;
  /** Of puts, moves and deletions: are carried out, and fail all the same. */
  answersLost?: number;
  /** Of streams and listings: break off in the middle. */
  cut?: number;
  /** Before each call. */
  latencyMs?: number;
  /** From 0 up to, not including, 1. */
  chance?: () => number;
};

type Fault = Required<Faults> & { failure: (doing: string) => RstowError };

/** The same repository over a bad line: for tests of what stands above it. What is written into a sink arrives. */
export function faulty(repository: Repository, faults: Faults): Repository {
  const { versions, retainUntil } = repository;
  const failure = (doing: string): RstowError =>
    new RstowError('repository-unavailable', `${repository.description} is made to fail (could not ${doing})`, { details: { doing } });
  const fault: Fault = { failing: 0, answersLost: 0, cut: 0, latencyMs: 0, chance: Math.random, ...faults, failure };
  const call = <T>(doing: string, action: () => Promise<T>): Promise<T> => faultyCall(fault, doing, action);
  const write = <T>(doing: string, action: () => Promise<T>): Promise<T> => call(doing, () => withLostAnswer(fault, doing, action));
  return {
    description: repository.description,
    properties: { ...repository.properties, failsInPassing: true },
    signing: repository.signing,
    read: (key, options) => call(`read ${key}`, () => repository.read(key, options)),
    openRead: (key, options) => call(`read ${key}`, () => openFaulty(repository, fault, { key, ...options })),
    put: (key, bytes) => write(`put ${key}`, () => repository.put(key, bytes)),
    stage: (expectedKey) =>
      call(`put ${expectedKey}`, async () => {
        const staged = await repository.stage(expectedKey);
        return {
          sink: staged.sink,
          takes: (key) => staged.takes(key),
          commit: (key) => call(`put ${key}`, () => staged.commit(key)),
          discard: () => call('discard a staged object', () => staged.discard()),
        };
      }),
    list: (prefix, options) => faultyItems(repository.list(prefix, options), fault, `list ${prefix}`),
    keys: (prefix, options) => faultyItems(repository.keys(prefix, options), fault, `list ${prefix}`),
    move: (fromKey, toKey) => write(`move ${fromKey}`, () => repository.move(fromKey, toKey)),
    deleteMany: (keys, options) => write('delete objects', () => repository.deleteMany(keys, options)),
    freeBytes: () => call('measure its free space', () => repository.freeBytes()),
    versions: versions && ((prefix, options) => faultyItems(versions(prefix, options), fault, `list the versions of ${prefix}`)),
    retainUntil: retainUntil && ((keys, untilMs) => write('keep objects from deletion', () => retainUntil(keys, untilMs))),
  };
}

async function faultyCall<T>({ failing, latencyMs, chance, failure }: Fault, doing: string, action: () => Promise<T>): Promise<T> {
  if (latencyMs > 0) await sleep(latencyMs);
  if (chance() < failing) throw failure(doing);
  return action();
}

async function withLostAnswer<T>({ answersLost, chance, failure }: Fault, doing: string, action: () => Promise<T>): Promise<T> {
  const answer = await action();
  if (chance() < answersLost) throw failure(doing);
  return answer;
}

async function openFaulty(repository: Repository, fault: Fault, { key, ...options }: ReadOptions & { key: string }) {
  const { signal } = options;
  const source = await repository.openRead(key, options);
  if (source === undefined) return undefined;
  const stream = Readable.from(cutBytes(source, fault, `read ${key}`), { objectMode: false });
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

/** A chunk is cut in its middle, so that a part of it has arrived. */
async function* cutBytes(source: Readable, { cut, chance, failure }: Fault, doing: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of source as AsyncIterable<Uint8Array>) {
    if (chance() < cut) {
      yield chunk.subarray(0, chunk.length >> 1);
      throw failure(doing);
    }
    yield chunk;
  }
}

const ITEMS_BEFORE_CUT_MAX = 100;

async function* faultyItems<Item>(items: AsyncIterable<Item>, fault: Fault, doing: string): AsyncGenerator<Item> {
  await faultyCall(fault, doing, async () => undefined);
  const { cut, chance, failure } = fault;
  let left = chance() < cut ? Math.floor(chance() * ITEMS_BEFORE_CUT_MAX) : Number.POSITIVE_INFINITY;
  for await (const item of items) {
    if (left === 0) throw failure(doing);
    left -= 1;
    yield item;
  }
}
