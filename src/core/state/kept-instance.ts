import { makeSegmentId, type WalRange } from '../wal/wal-offset.ts';
import type { ReplayInstance } from './replay-index.ts';
import { isStateHash, type StateHash } from './state-digest.ts';

/** An instance of a state that is kept between backups. Of a deleted one only its id counts: such a one can be created again. */
export type KeptInstance = {
  id: string;
  machine: string;
  version: number;
  deleted: boolean;
  /** The record that holds its present state and context. */
  last: WalRange | undefined;
  /** What it adds to the digest. */
  hash: StateHash | undefined;
};

/**
 * What an instance is after the records, if this is what it was before them: the same object if nothing has changed,
 * undefined if there is none. The hash of one whose last record is new is still to be computed.
 * @see rstmdb-core 0.3.0 src/engine.rs replay_entry
 */
export function settledInstance(change: ReplayInstance, before: KeptInstance | undefined): KeptInstance | undefined {
  const { id, isCreated, machine, version, deleted, earlier } = change;
  if (before !== undefined && !before.deleted && earlier?.isDeleted !== true) {
    // A second creation of what stands there is passed over, by the server as well.
    return earlier?.last === undefined ? before : { ...before, last: earlier.last, hash: undefined };
  }
  if (isCreated && !deleted) return { id, machine, version, deleted, last: change.last, hash: undefined };
  if (!isCreated && (before === undefined || before.deleted)) return before;
  return { id, machine: '', version: 0, deleted: true, last: undefined, hash: undefined };
}

/** One line of JSON: [id,machine,version,hash,segment,startBytes,endBytes], or [id,machine,version] if it is deleted. */
export function keptLine({ id, machine, version, deleted, last, hash }: KeptInstance): string {
  if (deleted || last === undefined) return JSON.stringify([id, machine, version]);
  return JSON.stringify([id, machine, version, hash, last.segment, last.startBytes, last.endBytes]);
}

/** The id alone, as of every line in turn: no other part is looked at. */
export function idOfLine(line: string): string {
  const end = line.indexOf('",', 2);
  const text = line.slice(2, end);
  return text.includes('\\') ? ((JSON.parse(line) as unknown[])[0] as string) : text;
}

/** Undefined if it is no such line. `machines` keeps one string for each machine's name. */
export function readKeptLine(line: string, machines: Map<string, string>): KeptInstance | undefined {
  const fields = parsed(line);
  if (fields === undefined) return undefined;
  const [id, machineName, version, hash, segmentNumber, startBytes, endBytes] = fields;
  if (typeof id !== 'string' || typeof machineName !== 'string' || typeof version !== 'number') return undefined;
  const machine = machines.get(machineName) ?? machineName;
  machines.set(machine, machine);
  if (fields.length === 3) return { id, machine, version, deleted: true, last: undefined, hash: undefined };
  const segment = typeof segmentNumber === 'number' ? makeSegmentId(segmentNumber) : undefined;
  if (segment === undefined || !isStateHash(hash) || typeof startBytes !== 'number' || typeof endBytes !== 'number') return undefined;
  return startBytes < endBytes ? { id, machine, version, deleted: false, last: { segment, startBytes, endBytes }, hash } : undefined;
}

function parsed(line: string): unknown[] | undefined {
  try {
    const fields: unknown = JSON.parse(line);
    return Array.isArray(fields) ? fields : undefined;
  } catch {
    // A torn line is damage, and damage is a value.
    return undefined;
  }
}
