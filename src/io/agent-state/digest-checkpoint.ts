import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { checkpointLines, createCheckpointReader } from '../../core/state/checkpoint.ts';
import type { Checkpoint, ReplayIndex } from '../../core/state/replay-index.ts';
import type { StateHash } from '../../core/state/state-digest.ts';
import type { Extent } from '../../core/wal/wal-range.ts';
import { replaceStateFile } from './state-file.ts';

/** What a checkpoint is bound to: another history or another wal/ folder makes it worthless. */
export type CheckpointBinding = { timeline: string; walInode: string };

/** Where a database's checkpoint lies, and what it must be bound to. */
export type CheckpointFile = { stateDir: string; database: string; binding: CheckpointBinding };

/** A settled replay, and where it ends. */
export type SettledReplay = { index: ReplayIndex; extents: readonly Extent[]; digest: StateHash };

const BLOCK_CHARACTERS = 256 * 1024;

/**
 * Undefined where there is none that fits, or it can't be read: the state is then replayed from the beginning. It is
 * read in blocks: the whole text of some million instances is more than one string can hold.
 */
export async function readCheckpoint(file: CheckpointFile): Promise<Checkpoint | undefined> {
  const reader = createCheckpointReader();
  const hash = createHash('sha256');
  const lines = linesOf(checkpointPath(file));
  try {
    if ((await lines.next()).value !== bindingLine(file.binding)) return undefined;
    for await (const line of lines) {
      // The last line is the checksum of those before it.
      if (reader.checkpoint() !== undefined) return line === sealLine(hash) ? reader.checkpoint() : undefined;
      if (!reader.take(line)) return undefined;
      hash.update(`${line}\n`);
    }
  } catch (error) {
    // A file that can't be read is as good as none.
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
  } finally {
    await lines.return(undefined);
  }
  return undefined;
}

/** Twice: the later one stands. Fails: as the system does, and leaves nothing behind then. */
export async function writeCheckpoint(file: CheckpointFile, replay: SettledReplay): Promise<void> {
  await replaceStateFile(checkpointPath(file), sealedBlocks(file.binding, replay));
}

function* sealedBlocks(binding: CheckpointBinding, { index, extents, digest }: SettledReplay): Generator<string> {
  const hash = createHash('sha256');
  yield `${bindingLine(binding)}\n`;
  let block = '';
  for (const line of checkpointLines(index, extents, digest)) {
    block += `${line}\n`;
    if (block.length < BLOCK_CHARACTERS) continue;
    hash.update(block);
    yield block;
    block = '';
  }
  hash.update(block);
  yield block;
  yield `${sealLine(hash)}\n`;
}

/** The lines of a file, without their ends; what stands behind the last line end is none. */
async function* linesOf(path: string): AsyncGenerator<string, undefined> {
  let rest = '';
  for await (const block of createReadStream(path, { encoding: 'utf8', highWaterMark: BLOCK_CHARACTERS })) {
    const lines = (rest + (block as string)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  return undefined;
}

const bindingLine = ({ timeline, walInode }: CheckpointBinding): string => JSON.stringify({ timeline, walInode });

const sealLine = (hash: Hash): string => JSON.stringify({ sha256: hash.digest('hex') });

function checkpointPath({ stateDir, database }: CheckpointFile): string {
  return join(stateDir, database, 'digest', 'checkpoint.jsonl');
}
