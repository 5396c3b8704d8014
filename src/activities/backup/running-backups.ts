import type { CheckpointFile } from '../../io/agent-state/digest-checkpoint.ts';
import { closeOpenLog, type OpenLogs } from '../../database/log-source.ts';
import type { PassingReplay } from './passing-replay.ts';

export type KeptReplay = { file: CheckpointFile; runId: string; replay: PassingReplay };

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
