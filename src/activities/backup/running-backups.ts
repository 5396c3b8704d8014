import type { CheckpointFile } from '../../io/agent-state/digest-checkpoint.ts';
import { closeOpenLog, type OpenLogs } from '../../database/log-source.ts';
import { checkpointFits, type ReplayIndex } from '../../core/state/replay-index.ts';
import type { RecordView } from '../../core/wal/record-scanner.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import { indexAfter, type KeptState } from '../../replay/kept-state.ts';

type KeptReplay = { file: CheckpointFile; runId: string; replay: PassingReplay };

/** What one step of a backup leaves in the agent's memory for a later one: it lasts as long as the agent. */
export type RunningBackups = {
  readonly opened: OpenLogs;
  /** By database. */
  readonly replays: Map<string, KeptReplay>;
};

export const createRunningBackups = (): RunningBackups => ({ opened: new Map(), replays: new Map() });

/** The runs that have left something here. */
export function runsHere({ opened, replays }: RunningBackups): string[] {
  return [...new Set([...opened.keys(), ...[...replays.values()].map(({ runId }) => runId)])];
}

/** Lets go of what a run has left: its descriptors, and its replay, which may be large. Twice: no-op. */
export async function forgetRun({ opened, replays }: RunningBackups, runId: string): Promise<void> {
  for (const [database, replay] of replays) if (replay.runId === runId) replays.delete(database);
  await closeOpenLog(opened, runId);
}

/** Of each database's present backup, from its storing to its digest. Where the agent dies in between, the log is read. */
export function keepReplay({ replays }: RunningBackups, kept: KeptReplay): void {
  replays.set(kept.file.database, kept);
}

/** Gives away the run's replay of this very wal/ folder: settling changes it, so it serves once. */
export function takeReplay({ replays }: RunningBackups, file: CheckpointFile, runId: string): PassingReplay | undefined {
  const kept = replays.get(file.database);
  replays.delete(file.database);
  return kept?.runId === runId && kept.file.binding.walInode === file.binding.walInode ? kept.replay : undefined;
}

/** Of so many it keeps the places at once, about 25 MB. A backup of more reads the log once more, and settles them in parts. */
const INSTANCES_MAX = 60_000;

/** Records that have passed, and the state that they follow. They are not settled on it yet. */
export type PassedRecords = { state: KeptState; index: ReplayIndex; records: number };

/**
 * A replay of the records that a backup stores, while they pass, so that its digest needs no second reading of the
 * log. It is only worth something if no record was left out: if storing skipped pieces that were there already,
 * or began anew after a crash, the log has to be read.
 */
export type PassingReplay = {
  take(segment: SegmentId, record: RecordView): void;
  /** What has passed, if it is exactly the records up to these extents; else undefined. */
  upTo(extents: readonly Extent[]): PassedRecords | undefined;
};

/** Goes on from the state that the backup before has kept, or from an empty one. */
export function createPassingReplay(state: KeptState): PassingReplay {
  let index: ReplayIndex | undefined = indexAfter(state);
  const endBytes = new Map(state.extents.map((extent) => [extent.segment, extent.endBytes]));
  let records = 0;
  return {
    take(segment, record) {
      if (index === undefined) return;
      const follows = record.startBytes === (endBytes.get(segment) ?? 0) && index.apply(segment, record);
      if (!follows || index.size() > INSTANCES_MAX) {
        index = undefined;
        return;
      }
      records += 1;
      endBytes.set(segment, record.endBytes);
    },
    upTo(extents) {
      const complete = extents.every(({ segment, endBytes: end }) => (endBytes.get(segment) ?? 0) === end);
      return index !== undefined && complete && checkpointFits(state.extents, extents) ? { state, index, records } : undefined;
    },
  };
}

/** Keeps copies of a small segment's records until it is their turn in the order of the log. */
export function createRecordKeeper(replay: Pick<PassingReplay, 'take'>): Pick<PassingReplay, 'take'> & { flush(): void } {
  const kept: Parameters<PassingReplay['take']>[] = [];
  return {
    take: (segment, record) => void kept.push([segment, { ...record, payload: Uint8Array.from(record.payload) }]),
    flush: () => {
      for (const [segment, record] of kept) replay.take(segment, record);
    },
  };
}
