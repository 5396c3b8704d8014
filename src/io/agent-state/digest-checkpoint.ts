import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DigestCheckpoint, digestCheckpointSchema, type RunFile } from '../../formats/agent-state.ts';
import { runPath } from './instance-runs.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

/** What a checkpoint is bound to: another history or another wal/ folder makes it worthless. */
export type CheckpointBinding = { timeline: string; walInode: string };

/** Where a database's checkpoint lies, and what it must be bound to. */
export type CheckpointFile = { stateDir: string; database: string; binding: CheckpointBinding };

const RUN = /^(.{36})\.run$/;

/** Where its files lie. */
export function checkpointFolder({ stateDir, database }: Pick<CheckpointFile, 'stateDir' | 'database'>): string {
  return join(stateDir, database, 'digest');
}

/** Undefined if there is none that fits, or it can't be read: the state is then replayed from the beginning. */
export async function readCheckpoint(file: CheckpointFile): Promise<DigestCheckpoint | undefined> {
  const checkpoint = opened(await readText(checkpointPath(file)));
  if (checkpoint === undefined) return undefined;
  const { timeline, walInode } = file.binding;
  return checkpoint.timeline === timeline && checkpoint.walInode === walInode ? checkpoint : undefined;
}

/**
 * Makes these runs, which are written by now, the checkpoint, and removes all others. Twice: the later one stands.
 * Fails: as the system does, and leaves the checkpoint before then.
 */
export async function writeCheckpoint(
  file: CheckpointFile,
  state: Omit<DigestCheckpoint, 'format' | 'timeline' | 'walInode'>,
): Promise<void> {
  const checkpoint: DigestCheckpoint = { format: 3, ...file.binding, ...state };
  const content = JSON.stringify(digestCheckpointSchema.parse(checkpoint));
  await replaceStateFile(checkpointPath(file), `{"sha256":"${hashOf(content)}","content":${content}}\n`);
  await removeOtherRuns(checkpointFolder(file), state.runs);
}

/** The next backup replays the log from the beginning. Twice: no-op. */
export async function dropCheckpoint(file: CheckpointFile): Promise<void> {
  await rm(checkpointPath(file), { force: true });
}

/** What a checkpoint before had, or a process has left that was killed. */
async function removeOtherRuns(folder: string, runs: readonly RunFile[]): Promise<void> {
  const kept = new Set(runs.map(({ name }) => name));
  for (const fileName of await readdir(folder)) {
    const name = RUN.exec(fileName)?.[1];
    if (name !== undefined && !kept.has(name)) await rm(runPath(folder, name), { force: true });
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readStateFile(path);
  } catch {
    // A file that can't be read is as good as none.
    return undefined;
  }
}

function opened(text: string | undefined): DigestCheckpoint | undefined {
  const [, sha256, content = ''] = /^\{"sha256":"([0-9a-f]{64})","content":([^]*)\}\n$/.exec(text ?? '') ?? [];
  if (sha256 !== hashOf(content)) return undefined;
  return digestCheckpointSchema.safeParse(JSON.parse(content)).data;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function checkpointPath(file: CheckpointFile): string {
  return join(checkpointFolder(file), 'checkpoint.json');
}
