import type { CheckpointFile } from '../../io/agent-state/digest-checkpoint.ts';
import type { OpenSegments } from '../../io/data-directory/segments.ts';
import type { PassingReplay } from './passing-replay.ts';

export type KeptReplay = { file: CheckpointFile; runId: string; replay: PassingReplay };

/** What one step of a backup leaves in the agent's memory for a later one: it lasts as long as the agent. */
export type RunningBackups = {
  /** By run: descriptors that stand for pins where links can't be made. */
  readonly opened: Map<string, { dataDir: string; segments: OpenSegments }>;
  /** By database. */
  readonly replays: Map<string, KeptReplay>;
};

export const createRunningBackups = (): RunningBackups => ({ opened: new Map(), replays: new Map() });

/** Closes a run's descriptors. Twice: no-op. */
export async function closeOpened({ opened }: RunningBackups, runId: string): Promise<void> {
  const kept = opened.get(runId);
  opened.delete(runId);
  await kept?.segments[Symbol.asyncDispose]();
}
