import { addAbortSignal, Readable, Writable } from 'node:stream';
import { assert } from '../../core/errors/assert.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { assertKeyPrefix, assertObjectKey } from './object-key.ts';
import type { ListedObject, Repository, StagedObject } from './port.ts';

type Objects = Map<string, Uint8Array>;

/** A repository that lives as long as its process: for tests. */
export function createMemoryRepository(): Repository {
  const objects: Objects = new Map();
  return {
    description: 'memory',
    read: async (key, { sizeBytesMax }) => readWhole(objects, key, sizeBytesMax),
    openRead: async (key, { signal } = {}) => openStream(objects, key, signal),
    put: async (key, bytes) => putIfAbsent(objects, key, bytes),
    stage: async () => stageInMemory(objects),
    list: (prefix) => listObjects(objects, prefix),
    move: async (fromKey, toKey) => moveObject(objects, fromKey, toKey),
    delete: async (key) => {
      assertObjectKey(key);
      objects.delete(key);
    },
    freeBytes: async () => undefined,
  };
}

function readWhole(objects: Objects, key: string, sizeBytesMax: number): Uint8Array | undefined {
  assertObjectKey(key);
  const bytes = objects.get(key);
  if (bytes !== undefined && bytes.length > sizeBytesMax) {
    throw new RstowError('damaged-object', `${key} in memory has ${bytes.length} bytes; at most ${sizeBytesMax} were expected`, {
      details: { key },
    });
  }
  return bytes?.slice();
}

function openStream(objects: Objects, key: string, signal: AbortSignal | undefined): Readable | undefined {
  assertObjectKey(key);
  signal?.throwIfAborted();
  const bytes = objects.get(key);
  if (bytes === undefined) return undefined;
  const stream = Readable.from(bytes.length === 0 ? [] : [Buffer.from(bytes)], { objectMode: false });
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

/** Copies: who put the bytes may use their buffer again. */
function putIfAbsent(objects: Objects, key: string, bytes: Uint8Array): 'stored' | 'exists' {
  assertObjectKey(key);
  if (objects.has(key)) return 'exists';
  objects.set(key, Uint8Array.from(bytes));
  return 'stored';
}

function stageInMemory(objects: Objects): StagedObject {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      chunks.push(Buffer.from(chunk));
      callback();
    },
  });
  return {
    sink,
    async commit(key) {
      assert(sink.writableFinished, 'a staged object is committed after its sink has finished');
      return putIfAbsent(objects, key, Buffer.concat(chunks));
    },
    async discard() {
      sink.destroy();
    },
  };
}

async function* listObjects(objects: Objects, prefix: string): AsyncGenerator<ListedObject> {
  assertKeyPrefix(prefix);
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  for (const key of keys) {
    const bytes = objects.get(key);
    if (bytes !== undefined) yield { key, sizeBytes: bytes.length };
  }
}

function moveObject(objects: Objects, fromKey: string, toKey: string): void {
  assertObjectKey(fromKey);
  assertObjectKey(toKey);
  const bytes = objects.get(fromKey);
  if (bytes === undefined || fromKey === toKey) return;
  objects.set(toKey, bytes);
  objects.delete(fromKey);
}
