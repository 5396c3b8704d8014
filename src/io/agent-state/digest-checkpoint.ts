import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { checkpointLines, parseCheckpoint } from '../../core/state/checkpoint.ts';
import type { Checkpoint, ReplayIndex } from '../../core/state/replay-index.ts';
import type { StateHash } from '../../core/state/state-digest.ts';
import type { Extent } from '../../core/wal/wal-range.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

/** What a checkpoint is bound to: another history or another wal/ folder makes it worthless. */
export type CheckpointBinding = { timeline: string; walInode: string };

/** Where a database's checkpoint lies, and what it must be bound to. */
export type CheckpointFile = { stateDir: string; database: string; binding: CheckpointBinding };

/** A settled replay, and where it ends. */
export type SettledReplay = { index: ReplayIndex; extents: readonly Extent[]; digest: StateHash };

/** Undefined where there is none that fits: the state is then replayed from the beginning. */
export async function readCheckpoint(file: CheckpointFile): Promise<Checkpoint | undefined> {
  const text = await readStateFile(checkpointPath(file));
  if (text === undefined) return undefined;
  const bodyAt = text.indexOf('\n') + 1;
  const body = text.slice(bodyAt);
  if (text.slice(0, bodyAt) !== headerOf(file.binding, body)) return undefined;
  return parseCheckpoint(body.trimEnd().split('\n'));
}

/** Twice: the later one stands. */
export async function writeCheckpoint(file: CheckpointFile, replay: SettledReplay): Promise<void> {
  const body = `${[...checkpointLines(replay.index, replay.extents, replay.digest)].join('\n')}\n`;
  await replaceStateFile(checkpointPath(file), headerOf(file.binding, body) + body);
}

function headerOf({ timeline, walInode }: CheckpointBinding, body: string): string {
  const sha256 = createHash('sha256').update(body).digest('hex');
  return `${JSON.stringify({ timeline, walInode, sha256 })}\n`;
}

function checkpointPath({ stateDir, database }: CheckpointFile): string {
  return join(stateDir, database, 'digest', 'checkpoint.jsonl');
}
