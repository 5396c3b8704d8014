import { addAbortSignal, Readable, Writable } from 'node:stream';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { assertKeyPrefix, assertObjectKey, assertRange, foldedKey } from './object-key.ts';
import type { KeysOptions, ListedObject, ReadOptions, Repository, RepositoryProperties, StagedObject } from './port.ts';

type StoredObject = { bytes: Uint8Array; modifiedAtMs: number };
type Objects = Map<string, StoredObject>;

const PROPERTIES: RepositoryProperties = {
  connections: 6,
  spools: false,
  conditionalPut: true,
  failsInPassing: false,
  callsCost: false,
};

/** A repository that lives as long as its process: for tests. */
export function createMemoryRepository({ callsCost = false }: { callsCost?: boolean } = {}): Repository {
  const objects: Objects = new Map();
  return {
    description: 'memory',
    properties: { ...PROPERTIES, callsCost },
    read: async (key, { sizeBytesMax }) => readWhole(objects, key, sizeBytesMax),
    openRead: async (key, options = {}) => openStream(objects, key, options),
    put: async (key, bytes) => putIfAbsent(objects, key, bytes),
    stage: async (expectedKey) => stageInMemory(objects, expectedKey),
    list: (prefix, options) => listObjects(objects, { prefix, ...options }),
    keys: (prefix, options) => listKeys(objects, { prefix, ...options }),
    move: async (fromKey, toKey) => moveObject(objects, fromKey, toKey),
    deleteMany: async (keys, { signal } = {}) => deleteObjects(objects, keys, signal),
    freeBytes: async () => undefined,
  };
}

function readWhole(objects: Objects, key: string, sizeBytesMax: number): Uint8Array | undefined {
  assertObjectKey(key);
  const bytes = objects.get(key)?.bytes;
  if (bytes !== undefined && bytes.length > sizeBytesMax) {
    throw new RstowError('damaged-object', `${key} in memory has ${bytes.length} bytes; at most ${sizeBytesMax} were expected`, {
      details: { key },
    });
  }
  return bytes?.slice();
}

function openStream(objects: Objects, key: string, { range, signal }: ReadOptions): Readable | undefined {
  assertObjectKey(key);
  if (range !== undefined) assertRange(range);
  signal?.throwIfAborted();
  const whole = objects.get(key)?.bytes;
  if (whole === undefined) return undefined;
  const bytes = Buffer.from(whole.subarray(range?.startBytes, range?.endBytes));
  const stream = Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false });
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

/** Copies: who put the bytes may use their buffer again. */
function putIfAbsent(objects: Objects, key: string, bytes: Uint8Array): 'stored' | 'exists' {
  assertObjectKey(key);
  if (objects.has(key)) return 'exists';
  objects.set(key, { bytes: Uint8Array.from(bytes), modifiedAtMs: Date.now() });
  return 'stored';
}

function stageInMemory(objects: Objects, expectedKey: string): StagedObject {
  assertObjectKey(expectedKey);
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(Buffer.from(chunk));
      callback();
    },
  });
  return {
    sink,
    takes: () => true,
    async commit(key) {
      assert(sink.writableFinished, 'a staged object is committed after its sink has finished');
      return putIfAbsent(objects, key, Buffer.concat(chunks));
    },
    async discard() {
      sink.destroy();
    },
  };
}

type Wanted = KeysOptions & { prefix: string };

async function* listObjects(objects: Objects, wanted: Wanted): AsyncGenerator<ListedObject> {
  for await (const key of listKeys(objects, wanted)) {
    const object = objects.get(key);
    if (object !== undefined) yield { key, sizeBytes: object.bytes.length, modifiedAtMs: object.modifiedAtMs };
  }
}

async function* listKeys(objects: Objects, { prefix, startAfter = '', folded, signal }: Wanted): AsyncGenerator<string> {
  assertKeyPrefix(prefix);
  const matching = [...objects.keys()].filter((key) => key.startsWith(prefix));
  const listed = folded === true ? new Set(matching.map((key) => foldedKey(prefix, key))) : matching;
  for (const key of [...listed].sort()) {
    signal?.throwIfAborted();
    if (key > startAfter) yield key;
  }
}

function moveObject(objects: Objects, fromKey: string, toKey: string): void {
  assertObjectKey(fromKey);
  assertObjectKey(toKey);
  const object = objects.get(fromKey);
  if (object === undefined || fromKey === toKey) return;
  objects.set(toKey, object);
  objects.delete(fromKey);
}

function deleteObjects(objects: Objects, keys: readonly string[], signal: AbortSignal | undefined): void {
  keys.forEach(assertObjectKey);
  for (const key of keys) {
    signal?.throwIfAborted();
    objects.delete(key);
  }
}
