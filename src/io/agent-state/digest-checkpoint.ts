import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { checkpointLines, parseCheckpoint } from '../../core/state/checkpoint.ts';
import type { Checkpoint, ReplayIndex } from '../../core/state/replay-index.ts';
import type { StateHash } from '../../core/state/state-digest.ts';
import type { Extent } from '../../core/wal/wal-range.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

/** What a checkpoint is bound to: another history or another wal/ folder makes it worthless. */
export type CheckpointBinding = { timeline: string; walInode: string };

/** A settled replay, and where it ends. */
export type SettledReplay = { index: ReplayIndex; extents: readonly Extent[]; digest: StateHash };

/** Undefined where there is none that fits: the state is then replayed from the beginning. */
export async function readCheckpoint(stateDir: string, database: string, binding: CheckpointBinding): Promise<Checkpoint | undefined> {
  const text = await readStateFile(checkpointPath(stateDir, database));
  if (text === undefined) return undefined;
  const bodyAt = text.indexOf('\n') + 1;
  const body = text.slice(bodyAt);
  if (text.slice(0, bodyAt) !== headerOf(binding, body)) return undefined;
  return parseCheckpoint(body.trimEnd().split('\n'));
}

/** Twice: the later one stands. */
export async function writeCheckpoint(
  file: { stateDir: string; database: string; binding: CheckpointBinding },
  replay: SettledReplay,
): Promise<void> {
  const body = `${[...checkpointLines(replay.index, replay.extents, replay.digest)].join('\n')}\n`;
  await replaceStateFile(checkpointPath(file.stateDir, file.database), headerOf(file.binding, body) + body);
}

function headerOf({ timeline, walInode }: CheckpointBinding, body: string): string {
  const sha256 = createHash('sha256').update(body).digest('hex');
  return `${JSON.stringify({ timeline, walInode, sha256 })}\n`;
}

function checkpointPath(stateDir: string, database: string): string {
  return join(stateDir, database, 'digest', 'checkpoint.jsonl');
}
