import { type BaselineRecord, instanceRecord, machineRecord } from '../core/state/baseline-record.ts';
import { readPresentState } from '../core/state/kept-instance.ts';
import { createReplayIndex, type ReplayIndex } from '../core/state/replay-index.ts';
import { assert } from '../core/errors/rstow-error.ts';
import { encodeRecord } from '../core/wal/record.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { RecordWindow } from '../io/data-directory/range-reader.ts';
import type { Caller } from './progress.ts';
import { damagedLog, livingInstances, readRecords, type ReplaySource } from './replay-segments.ts';

/** So much is gathered before it is handed on. */
const CHUNK_SIZE_BYTES = 1024 * 1024;

/**
 * The bytes of a segment that gives a server the state at the log's end: each machine, then each living instance. Deleted ones are not in
 * it. Memory holds the index and one chunk. Their numbers end with the log's highest one, so that the server goes on
 * counting behind it. Fails: as the source says, at a record that a server can't replay.
 */
export async function* baselineOfLog(source: ReplaySource, run: Caller): AsyncGenerator<Uint8Array, void, undefined> {
  const index = createReplayIndex();
  let highest = 0;
  const see = ({ sequence }: { sequence: number }): void => void (highest = Math.max(highest, sequence));
  await readRecords({ source, from: [], run, see }, () => index);
  const { machines, instances } = index.counts();
  yield* baselineBytes(recordsOf(source, index), { behind: Math.max(0, highest - machines - instances), signal: run.signal });
}

/** The records of a baseline as a segment has them, in parts; their numbers are those behind the given one. */
export async function* baselineBytes(
  records: AsyncIterable<BaselineRecord>,
  { behind, signal }: { behind: number; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  let sequence = behind;
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  for await (const { type, payloadText } of records) {
    signal.throwIfAborted();
    sequence += 1;
    const record = encodeRecord({ type, sequence, payload: Buffer.from(payloadText) }, crc32c);
    gathered.push(record);
    gatheredBytes += record.length;
    if (gatheredBytes < CHUNK_SIZE_BYTES) continue;
    yield Buffer.concat(gathered);
    gathered = [];
    gatheredBytes = 0;
  }
  if (gatheredBytes > 0) yield Buffer.concat(gathered);
}

/** The server wants one, and makes its own. */
export const definitionHash = (definition: string): string => crc32c(Buffer.from(definition)).toString(16).padStart(8, '0');

async function* recordsOf(source: ReplaySource, index: ReplayIndex): AsyncGenerator<BaselineRecord, void, undefined> {
  for (const { name, version, definition } of index.machines()) {
    assert(definition !== undefined, 'a replay from the beginning has every definition at hand');
    yield machineRecord({ name, version, definition }, definitionHash(definition));
  }
  const window = new RecordWindow(source.pathOf);
  try {
    for (const { id, machine, version, last } of livingInstances(index)) {
      const present = readPresentState(await window.payload(last));
      if (present === undefined) throw damagedLog(source, last);
      yield instanceRecord({ id, machine, version, ...present });
    }
  } finally {
    await window.close();
  }
}
