import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type SourceNote, sourceNoteSchema } from '../../formats/agent-state.ts';
import { unlessAbsent } from '../files/errno.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

export type SourceNoteId = { stateDir: string; database: string; repository: string };

/** Undefined if nothing was noted, or it can't be read: then nothing is known of the files that were stored. */
export async function readSourceNote(id: SourceNoteId): Promise<SourceNote | undefined> {
  try {
    return sourceNoteSchema.parse(JSON.parse((await readStateFile(pathOf(id))) ?? 'null'));
  } catch {
    return undefined;
  }
}

/** A state directory that can't be written keeps nobody from storing a log. Twice: the later one counts. */
export async function writeSourceNote(id: SourceNoteId, note: SourceNote): Promise<void> {
  await replaceStateFile(pathOf(id), `${JSON.stringify(note)}\n`).catch(() => undefined);
}

/** A folder, as a rename keeps it and a copy doesn't; undefined if it isn't there. An inode alone may be given to a later folder. */
export async function folderIdentity(path: string): Promise<string | undefined> {
  const stats = await unlessAbsent(stat(path, { bigint: true }));
  return stats && `${stats.ino}-${stats.birthtimeNs}`;
}

function pathOf({ stateDir, database, repository }: SourceNoteId): string {
  return join(stateDir, database, 'source', `${repository}.json`);
}
