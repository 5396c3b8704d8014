import { assert } from '../errors/assert.ts';
import { makeSegmentId } from '../wal/segment-id.ts';
import type { Checkpoint, ReplayIndex, ReplayInstance } from './replay-index.ts';
import { isStateHash, type StateHash } from './state-digest.ts';
import type { Extent, WalRange } from '../wal/wal-range.ts';

const FORMAT = 1;

/**
 * The checkpoint of a settled index as lines of JSON, without line ends:
 * ["rstow-replay",1,[[segment,endBytes]…],digest], ["m",name,version,hash]…,
 * ["i",id,machine,version,hash,segment,startBytes,endBytes]… with the place of its last record,
 * ["d",id,machine,version]… for deleted ones, ["end",lines before this one].
 */
export function* checkpointLines(index: ReplayIndex, extents: readonly Extent[], digest: StateHash): Generator<string> {
  let lines = 1;
  yield JSON.stringify(['rstow-replay', FORMAT, extents.map(({ segment, endBytes }) => [segment, endBytes]), digest]);
  for (const { name, version, hash } of index.machines()) {
    assert(hash !== undefined, 'a checkpoint is made of settled machines');
    lines += 1;
    yield JSON.stringify(['m', name, version, hash]);
  }
  for (const instance of index.instances()) {
    lines += 1;
    yield JSON.stringify(instanceFields(instance));
  }
  yield JSON.stringify(['end', lines]);
}

function instanceFields({ id, machine, version, hash, deleted, dirty, last }: ReplayInstance): unknown[] {
  assert(!dirty && deleted === (hash === undefined), 'a checkpoint is made of settled instances');
  if (deleted) return ['d', id, machine, version];
  assert(last !== undefined, 'an instance has the record that made it');
  return ['i', id, machine, version, hash, last.segment, last.startBytes, last.endBytes];
}

export type CheckpointReader = {
  /** Takes the next line; false where it can't be part of a checkpoint. */
  take(line: string): boolean;
  /** Undefined unless the last line was the end: the checkpoint is then to be rebuilt. */
  checkpoint(): Checkpoint | undefined;
};

/**
 * Reads what checkpointLines made, line by line. It finds missing lines, not flipped bits: whoever stores the lines
 * stores a checksum with them.
 */
export function createCheckpointReader(): CheckpointReader {
  const names = new Map<string, string>();
  let checkpoint: Checkpoint | undefined;
  let count = 0;
  let ended = false;
  const takeFields = (fields: unknown[]): boolean => {
    if (checkpoint === undefined) {
      checkpoint = parseHeader(fields);
      return checkpoint !== undefined;
    }
    if (fields[0] !== 'end') return addLine(checkpoint, fields, names);
    ended = fields[1] === count;
    return ended;
  };
  return {
    take(line) {
      const fields = parseLine(line);
      const isTaken = fields !== undefined && !ended && takeFields(fields);
      ended = ended && isTaken;
      count += 1;
      return isTaken;
    },
    checkpoint: () => (ended ? checkpoint : undefined),
  };
}

/**
 * Whether replay may go on from a checkpoint: each of its segments is still as long as it was, only its last one may
 * have grown, and new ones come after it. After a rotation race the server may append to an older segment, and
 * what stands there would have to be replayed before what the checkpoint has already seen.
 */
export function checkpointFits(checkpoint: readonly Extent[], now: readonly Extent[]): boolean {
  const lengths = new Map<number, number>(now.map(({ segment, endBytes }) => [segment, endBytes]));
  const last = Math.max(0, ...checkpoint.map(({ segment }) => segment));
  const kept = checkpoint.every(({ segment, endBytes }) => {
    const nowBytes = lengths.get(segment);
    return nowBytes !== undefined && (segment === last ? nowBytes >= endBytes : nowBytes === endBytes);
  });
  const known = new Set<number>(checkpoint.map(({ segment }) => segment));
  return kept && now.every(({ segment }) => known.has(segment) || segment > last);
}

function parseLine(line: string): unknown[] | undefined {
  try {
    const fields: unknown = JSON.parse(line);
    return Array.isArray(fields) ? fields : undefined;
  } catch {
    // A torn line is damage, and damage is a value.
    return undefined;
  }
}

function parseHeader(fields: unknown[]): Checkpoint | undefined {
  const [magic, format, extentFields, digest] = fields;
  if (magic !== 'rstow-replay' || format !== FORMAT || !isStateHash(digest) || !Array.isArray(extentFields)) return undefined;
  const extents = extentFields.flatMap((pair: unknown) => parseExtent(pair) ?? []);
  return extents.length === extentFields.length ? { extents, digest, machines: [], instances: [] } : undefined;
}

function parseExtent(pair: unknown): Extent | undefined {
  if (!Array.isArray(pair)) return undefined;
  const [id, endBytes] = pair as unknown[];
  const segment = typeof id === 'number' ? makeSegmentId(id) : undefined;
  if (segment === undefined || typeof endBytes !== 'number' || !Number.isSafeInteger(endBytes)) return undefined;
  return { segment, endBytes };
}

/** Adds a machine's or an instance's line; `names` keeps one string for each machine's name. */
function addLine(checkpoint: Checkpoint, fields: unknown[], names: Map<string, string>): boolean {
  const [kind, id] = fields;
  if (typeof id !== 'string') return false;
  if (kind === 'm') {
    const [, , version, hash] = fields;
    if (typeof version !== 'number' || !isStateHash(hash)) return false;
    checkpoint.machines.push({ name: id, version, definition: undefined, hash });
    return true;
  }
  const [, , machineName, version, hash, ...place] = fields;
  if (typeof machineName !== 'string' || typeof version !== 'number') return false;
  const deleted = kind === 'd';
  const last = deleted ? undefined : parseRange(place);
  if (deleted ? hash !== undefined : kind !== 'i' || !isStateHash(hash) || last === undefined) return false;
  const machine = names.get(machineName) ?? machineName;
  names.set(machine, machine);
  checkpoint.instances.push({ id, machine, version, deleted, last, hash: isStateHash(hash) ? hash : undefined, dirty: false });
  return true;
}

function parseRange([id, startBytes, endBytes]: unknown[]): WalRange | undefined {
  const segment = typeof id === 'number' ? makeSegmentId(id) : undefined;
  const isRange = typeof startBytes === 'number' && typeof endBytes === 'number' && startBytes < endBytes;
  return segment === undefined || !isRange ? undefined : { segment, startBytes, endBytes };
}
