import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { checkpointFits } from '../../core/state/checkpoint.ts';
import type { Checkpoint } from '../../core/state/replay-index.ts';
import type { Extent } from '../../core/wal/wal-range.ts';
import { type CheckpointFile, readCheckpoint, writeCheckpoint } from '../../io/agent-state/digest-checkpoint.ts';
import { errnoOf, systemMessage } from '../../io/files/errno.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../../config/database-settings.ts';
import type { LogReplay, Replayed } from '../../replay/replay-segments.ts';

/** Where the agent keeps how far a database's digest is, for the wal/ folder that is there now. */
export async function checkpointFile(deps: ActivityDeps, database: string, timeline: string): Promise<CheckpointFile> {
  const { dataDir } = databaseSettings(deps.config, database);
  const { ino } = await stat(join(dataDir, 'wal'), { bigint: true });
  return { stateDir: deps.config.agent.stateDir, database, binding: { timeline, walInode: ino.toString() } };
}

/** The checkpoint that a replay up to these extents can go on from; undefined where it has to begin at the beginning. */
export async function fittingCheckpoint(file: CheckpointFile, extents: readonly Extent[]): Promise<Checkpoint | undefined> {
  const checkpoint = await readCheckpoint(file);
  return checkpoint !== undefined && checkpointFits(checkpoint.extents, extents) ? checkpoint : undefined;
}

type SettledLog = { log: LogReplay; replayed: Replayed; extents: readonly Extent[] };

/** It saves the next replay work, and nothing more: a full disk must keep no backup and no restore from being made. */
export async function keepCheckpoint(file: CheckpointFile, { log, replayed, extents }: SettledLog): Promise<Warning[]> {
  if (replayed.records === 0 && log.from !== undefined) return [];
  try {
    await writeCheckpoint(file, { index: replayed.index, extents, digest: replayed.stateDigest });
    return [];
  } catch (error) {
    const isUnsupported = error instanceof RstowError && error.code === 'agent-state-unsupported';
    if (errnoOf(error) === undefined && !isUnsupported) throw error;
    const message = `${file.stateDir} could not take the checkpoint of the digest, so the next backup reads the whole log: ${systemMessage(error as Error)}`;
    return [{ code: 'checkpoint-not-kept', message }];
  }
}
