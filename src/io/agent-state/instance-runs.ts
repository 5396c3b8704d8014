import { randomUUID } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { idOfLine, type KeptInstance, keptLine, readKeptLine } from '../../core/state/kept-instance.ts';
import type { RunFile } from '../../formats/agent-state.ts';
import { createIdFilter, type IdFilter, idFilterOf } from './id-filter.ts';
import { replaceStateFile } from './state-file.ts';

/** Instances sorted by id, in a file or in memory: only so many are held at once as one block has. */
export type InstanceRun = {
  readonly instances: number;
  /** Undefined in memory. */
  readonly file: RunFile | undefined;
  /** All of them as lines, in order. Fails: UnsoundCheckpoint. */
  lines(): AsyncGenerator<string[]>;
  /** Those that it has of these, which are sorted. Fails: UnsoundCheckpoint. */
  find(ids: readonly string[]): Promise<Map<string, KeptInstance>>;
};

/** A kept state can't be read or was changed: the state is then replayed from the beginning. */
export class UnsoundCheckpoint extends Error {}

/** Small, for looking up one instance reads a whole one. */
const BLOCK_CHARACTERS = 16 * 1024;
const WRITE_SIZE_BYTES = 512 * 1024;
const LINES_AT_ONCE = 512;

export function memoryRun(sorted: readonly KeptInstance[]): InstanceRun {
  return {
    instances: sorted.length,
    file: undefined,
    async *lines() {
      for (let at = 0; at < sorted.length; at += LINES_AT_ONCE) yield sorted.slice(at, at + LINES_AT_ONCE).map(keptLine);
    },
    find: async (ids) => {
      const found = new Map<string, KeptInstance>();
      for (const id of ids) {
        const instance = sorted[firstBehind(sorted.length, (at) => (sorted[at]?.id ?? '') >= id)];
        if (instance?.id === id) found.set(id, instance);
      }
      return found;
    },
  };
}

/** `firstId`, where it begins in the file, its size, and the checksum of its bytes. */
type Block = [firstId: string, startBytes: number, sizeBytes: number, crc32: number];

/** Writes these runs as one. Fails: UnsoundCheckpoint; as the system does, and leaves nothing behind then. */
export async function writeRun(folder: string, runs: readonly InstanceRun[]): Promise<InstanceRun> {
  const filter = createIdFilter(runs.reduce((sum, { instances }) => sum + instances, 0));
  const name = randomUUID();
  const run = { name, instances: 0, indexAtBytes: 0, indexBytes: 0, crc32: 0 };
  await replaceStateFile(runPath(folder, name), runBytes(mergedLines(runs), run, filter));
  return fileRun(folder, run);
}

async function* runBytes(lines: AsyncIterable<string[]>, run: RunFile, filter: IdFilter): AsyncGenerator<Uint8Array> {
  const index: Block[] = [];
  let text = '';
  let firstId = '';
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  const endBlock = (): void => {
    const bytes = Buffer.from(text);
    index.push([firstId, run.indexAtBytes, bytes.length, crc32(bytes)]);
    run.indexAtBytes += bytes.length;
    pending.push(bytes);
    pendingBytes += bytes.length;
    text = '';
  };
  for await (const some of lines) {
    run.instances += some.length;
    for (const line of some) {
      const id = idOfLine(line);
      filter.add(id);
      if (text === '') firstId = ownCopy(id);
      text += `${line}\n`;
      if (text.length >= BLOCK_CHARACTERS) endBlock();
    }
    if (pendingBytes < WRITE_SIZE_BYTES) continue;
    yield Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
  }
  if (text !== '') endBlock();
  const indexed = Buffer.from(JSON.stringify([index, Buffer.from(filter.bits).toString('base64')]));
  run.indexBytes = indexed.length;
  run.crc32 = crc32(indexed);
  yield Buffer.concat([...pending, indexed]);
}

/** A part of a string keeps all of it in memory. */
function ownCopy(text: string): string {
  return Buffer.from(text).toString();
}

export function fileRun(folder: string, file: RunFile): InstanceRun {
  const path = runPath(folder, file.name);
  return {
    instances: file.instances,
    file,
    lines: () => readLines(path, file),
    find: (ids) => findIn(path, file, ids),
  };
}

export const runPath = (folder: string, name: string): string => join(folder, `${name}.run`);

async function* readLines(path: string, file: RunFile): AsyncGenerator<string[]> {
  await using opened = await openRun(path, file);
  for (const block of opened.index) yield await readBlock(opened, block);
}

async function findIn(path: string, file: RunFile, ids: readonly string[]): Promise<Map<string, KeptInstance>> {
  const found = new Map<string, KeptInstance>();
  if (ids.length === 0) return found;
  await using opened = await openRun(path, file);
  const machines = new Map<string, string>();
  let at = -1;
  let lines: string[] = [];
  for (const id of ids) {
    if (!opened.filter.mayHave(id)) continue;
    const wanted = blockOf(opened.index, id);
    const block = opened.index[wanted];
    if (block === undefined) continue;
    if (wanted !== at) lines = await readBlock(opened, block);
    at = wanted;
    const line = lines[lineAt(lines, id)];
    if (line !== undefined && idOfLine(line) === id) found.set(id, soundInstance(line, machines));
  }
  return found;
}

/** Fails: UnsoundCheckpoint. */
export function soundInstance(line: string, machines: Map<string, string>): KeptInstance {
  const instance = readKeptLine(line, machines);
  if (instance === undefined) throw new UnsoundCheckpoint('a line is no instance');
  return instance;
}

/** The last block whose first id is not behind this one; -1 if there is none. */
function blockOf(index: readonly Block[], id: string): number {
  return firstBehind(index.length, (at) => (index[at]?.[0] ?? '') > id) - 1;
}

function lineAt(lines: readonly string[], id: string): number {
  return firstBehind(lines.length, (at) => idOfLine(lines[at] ?? '') >= id);
}

/** By halving: the first index of which it is true, as of all after it. */
function firstBehind(length: number, isBehind: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBehind(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** One block is read at a time, into the same memory. */
type OpenedRun = { handle: FileHandle; index: Block[]; filter: IdFilter; buffer: Buffer } & AsyncDisposable;

async function openRun(path: string, file: RunFile): Promise<OpenedRun> {
  const handle = await unlessUnreadable(open(path, 'r'));
  try {
    const whole: Block = [path, file.indexAtBytes, file.indexBytes, file.crc32];
    const text = await readSound(handle, whole, Buffer.allocUnsafeSlow(file.indexBytes));
    const [index, bits] = JSON.parse(text) as [Block[], string];
    const filter = idFilterOf(Buffer.from(bits, 'base64'));
    const buffer = Buffer.allocUnsafeSlow(Math.max(0, ...index.map(([, , sizeBytes]) => sizeBytes)));
    return { handle, index, filter, buffer, [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readBlock({ handle, buffer }: OpenedRun, block: Block): Promise<string[]> {
  return (await readSound(handle, block, buffer)).slice(0, -1).split('\n');
}

async function readSound(handle: FileHandle, [name, startBytes, sizeBytes, checksum]: Block, into: Buffer): Promise<string> {
  const { bytesRead } = await unlessUnreadable(handle.read(into, 0, sizeBytes, startBytes));
  const buffer = into.subarray(0, sizeBytes);
  if (bytesRead !== sizeBytes || crc32(buffer) !== checksum) throw new UnsoundCheckpoint(`the part that begins with ${name} was changed`);
  return buffer.toString();
}

async function unlessUnreadable<Result>(reading: Promise<Result>): Promise<Result> {
  try {
    return await reading;
  } catch (cause) {
    throw new UnsoundCheckpoint('a file of the checkpoint can’t be read', { cause });
  }
}

type Cursor = { blocks: AsyncGenerator<string[]>; lines: string[]; at: number; id: string };

/** All lines of some runs in order, the oldest run first: of an instance that several have, the newest one's. Fails: UnsoundCheckpoint. */
export async function* mergedLines(runs: readonly InstanceRun[]): AsyncGenerator<string[]> {
  const cursors: Cursor[] = [];
  try {
    // The newest first, so that of equal ids its line is taken.
    for (const run of runs.toReversed()) {
      const cursor: Cursor = { blocks: run.lines(), lines: [], at: 0, id: '' };
      cursors.push(cursor);
      await refill(cursor);
    }
    let merged: string[] = [];
    let last: string | undefined;
    for (;;) {
      const next = leastOf(cursors);
      if (next === undefined) break;
      if (next.id !== last) merged.push(next.lines[next.at] ?? '');
      last = next.id;
      next.at += 1;
      if (next.at < next.lines.length) next.id = idOfLine(next.lines[next.at] ?? '');
      else await refill(next);
      if (merged.length < LINES_AT_ONCE) continue;
      yield merged;
      merged = [];
    }
    if (merged.length > 0) yield merged;
  } finally {
    for (const { blocks } of cursors) await blocks.return(undefined);
  }
}

async function refill(cursor: Cursor): Promise<void> {
  const next = await cursor.blocks.next();
  cursor.lines = next.done === true ? [] : next.value;
  cursor.at = 0;
  cursor.id = idOfLine(cursor.lines[0] ?? '');
}

function leastOf(cursors: readonly Cursor[]): Cursor | undefined {
  let least: Cursor | undefined;
  for (const cursor of cursors) {
    if (cursor.lines.length > 0 && (least === undefined || cursor.id < least.id)) least = cursor;
  }
  return least;
}
