import { mergedFrom } from '../core/repository/merge-plan.ts';
import { type KeptInstance, settledInstance, settleInstance, settleMachines } from '../core/state/kept-instance.ts';
import {
  createReplayIndex,
  type ReplayCounts,
  type ReplayIndex,
  type ReplayInstance,
  type ReplayMachine,
} from '../core/state/replay-index.ts';
import { createStateDigest, EMPTY_DIGEST, type StateHash } from '../core/state/state-digest.ts';
import type { Extent, WalRange } from '../core/wal/wal-offset.ts';
import { type CheckpointFile, checkpointFolder, readCheckpoint, writeCheckpoint } from '../io/agent-state/digest-checkpoint.ts';
import { fileRun, type InstanceRun, memoryRun, mergedLines, soundInstance, writeRun } from '../io/agent-state/instance-runs.ts';
import { RecordWindow } from '../io/data-directory/range-reader.ts';
import { damagedLog, type ReplaySource, sha256 } from './replay-segments.ts';

/**
 * The state of a log up to its extents, as backups keep it from one to the next: most of its instances stand in files, for
 * millions of them would not fit into memory. What is settled on it is a run more; runs are merged by level.
 */
export type KeptState = {
  readonly file: CheckpointFile;
  /** Up to where the files on the disk say it; what was settled since lies behind. */
  readonly extents: readonly Extent[];
  digest: StateHash;
  machines: ReplayMachine[];
  instances: number;
  deleted: number;
  runs: InstanceRun[];
};

/** A lookup of an instance reads at most so many blocks. */
const RUNS_MAX = 12;

export function emptyState(file: CheckpointFile): KeptState {
  return { file, extents: [], digest: EMPTY_DIGEST, machines: [], instances: 0, deleted: 0, runs: [] };
}

/** What the backup before has kept; undefined if there is nothing, or it is of another history or another wal/ folder. */
export async function openState(file: CheckpointFile): Promise<KeptState | undefined> {
  const kept = await readCheckpoint(file);
  if (kept === undefined) return undefined;
  const { extents, digest, instances, deleted } = kept;
  const machines = kept.machines.map((machine) => ({ ...machine, definition: undefined }));
  return { file, extents, digest, machines, instances, deleted, runs: kept.runs.map((run) => fileRun(checkpointFolder(file), run)) };
}

/** An index for the records that follow the state. */
export function indexAfter({ machines, instances, deleted }: KeptState): ReplayIndex {
  return createReplayIndex({ machines, hasInstances: instances + deleted > 0 });
}

type Change = { before: KeptInstance | undefined; now: KeptInstance };

/** What the replayed records change. Fails: UnsoundCheckpoint. */
export async function changesOf(state: KeptState, index: ReplayIndex): Promise<Change[]> {
  const touched = [...index.instances()].sort(byId);
  const before = await findAll(
    state.runs,
    touched.map(({ id }) => id),
  );
  const changes: Change[] = [];
  for (const instance of touched) {
    const known = before.get(instance.id);
    const now = settledInstance(instance, known);
    if (now !== undefined && now !== known) changes.push({ before: known, now });
  }
  return changes;
}

export function countsAfter(state: KeptState, changes: readonly Change[]): ReplayCounts {
  const counts = { machines: state.machines.length, instances: state.instances, deleted: state.deleted };
  for (const { before, now } of changes) {
    if (before !== undefined) counts[before.deleted ? 'deleted' : 'instances'] -= 1;
    counts[now.deleted ? 'deleted' : 'instances'] += 1;
  }
  return counts;
}

/**
 * Adds replayed records to the state: only the records that hold an instance's present state are read, and parsed. Nothing is
 * changed if it fails, as for a log or UnsoundCheckpoint.
 */
export async function settleOn(state: KeptState, index: ReplayIndex, source: ReplaySource): Promise<void> {
  const changes = await changesOf(state, index);
  const digest = createStateDigest(state.digest);
  settleMachines(index, digest, sha256);
  const window = new RecordWindow(source.pathOf);
  try {
    for (const { before, now } of changes.toSorted(byPlace)) {
      const payload = now.last === undefined ? undefined : await window.payload(now.last);
      if (!settleInstance(digest, { instance: now, before, payload, sha256 })) throw damagedLog(source, now.last);
    }
  } finally {
    await window.close();
  }
  Object.assign(state, countsAfter(state, changes), { digest: digest.hex(), machines: [...index.machines()] });
  if (changes.length > 0) state.runs.push(memoryRun(changes.map(({ now }) => now)));
}

/** Moves what memory holds of it into a file, and merges files. Fails: as the system does, and UnsoundCheckpoint; the state is as it was then. */
export async function spill(state: KeptState): Promise<void> {
  const inFiles = state.runs.findLastIndex(({ file }) => file !== undefined) + 1;
  const level = mergedFrom(
    state.runs.map(({ instances }) => instances),
    RUNS_MAX,
  );
  const first = Math.min(inFiles, level);
  if (first === state.runs.length) return;
  const merged = await writeRun(checkpointFolder(state.file), state.runs.slice(first));
  state.runs.splice(first, Number.POSITIVE_INFINITY, merged);
}

/** Keeps the state for the next backup. Fails: as the system does, and UnsoundCheckpoint; what was kept before stays then. */
export async function keepState(state: KeptState, extents: readonly Extent[]): Promise<void> {
  await spill(state);
  const machines = state.machines.map(({ name, version, hash }) => ({ name, version, hash: hash ?? EMPTY_DIGEST }));
  const { digest, instances, deleted } = state;
  const runs = state.runs.flatMap(({ file }) => file ?? []);
  await writeCheckpoint(state.file, { extents: [...extents], digest, instances, deleted, machines, runs });
}

/** Every instance, deleted ones too, sorted by id. Fails: UnsoundCheckpoint. */
export async function* allInstances(state: KeptState): AsyncGenerator<KeptInstance[]> {
  const machines = new Map<string, string>();
  for await (const lines of mergedLines(state.runs)) yield lines.map((line) => soundInstance(line, machines));
}

/** How much the records take that hold the present state: about what a baseline of it would. */
export async function presentBytes(state: KeptState): Promise<number> {
  let bytes = 0;
  for await (const instances of allInstances(state)) {
    for (const { last } of instances) bytes += last === undefined ? 0 : last.endBytes - last.startBytes;
  }
  return bytes;
}

/** The newest run knows best. */
async function findAll(runs: readonly InstanceRun[], ids: readonly string[]): Promise<Map<string, KeptInstance>> {
  const found = new Map<string, KeptInstance>();
  for (const run of runs.toReversed()) {
    const unknown = found.size === 0 ? ids : ids.filter((id) => !found.has(id));
    for (const [id, instance] of await run.find(unknown)) found.set(id, instance);
  }
  return found;
}

function byId(one: ReplayInstance, other: ReplayInstance): number {
  return one.id < other.id ? -1 : 1;
}

/** In the order of the log, so that one read serves many. */
function byPlace({ now: { last: one } }: Change, { now: { last: other } }: Change): number {
  return placeOf(one).segment - placeOf(other).segment || placeOf(one).startBytes - placeOf(other).startBytes;
}

const placeOf = (last: WalRange | undefined): Pick<WalRange, 'startBytes'> & { segment: number } => last ?? { segment: 0, startBytes: 0 };
