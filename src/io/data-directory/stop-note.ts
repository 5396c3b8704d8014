import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type StopNote, stopNoteFault, stopNoteSchema } from '../../formats/data-directory.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readSmallFile, syncFolder, writeFileDurably } from '../files/durable.ts';
import { makeRstowFolder, rstowFolder } from './rstow-folder.ts';
import { unlessAbsent } from '../files/errno.ts';

const STOP_NOTE_NAME = 'stop.json';

/** The note of a run that has stopped the server, or undefined. Fails: format-unsupported where it can't be read. */
export async function readStopNote(dataDir: string): Promise<StopNote | undefined> {
  const path = join(rstowFolder(dataDir), STOP_NOTE_NAME);
  const text = await readSmallFile(path);
  if (text === undefined) return undefined;
  const value = jsonOf(text);
  const { data: note, error: cause } = stopNoteSchema.safeParse(value);
  if (note !== undefined) return note;
  throw new RstowError('format-unsupported', `${path} ${stopNoteFault(value)}`, { details: { path }, cause });
}

/** Undefined where it is none: that is no note either. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Writes or replaces the note; durable when it returns. Twice: same note. */
export async function writeStopNote(dataDir: string, note: StopNote): Promise<void> {
  const path = join(await makeRstowFolder(dataDir), STOP_NOTE_NAME);
  await writeFileDurably(path, `${JSON.stringify(stopNoteSchema.parse(note))}\n`, { mode: 0o600, temporaryPath: `${path}.tmp` });
}

/** Puts a note aside that nobody here can read, for a person to look at. Returns where. Twice: no-op, undefined. */
export async function putStopNoteAside(dataDir: string): Promise<string | undefined> {
  const folder = rstowFolder(dataDir);
  const path = join(folder, `stop-unreadable-${Date.now()}.json`);
  const moved = await unlessAbsent(rename(join(folder, STOP_NOTE_NAME), path).then(() => path));
  await unlessAbsent(syncFolder(folder));
  return moved;
}

/** Twice: no-op. */
export async function removeStopNote(dataDir: string): Promise<void> {
  await rm(join(rstowFolder(dataDir), STOP_NOTE_NAME), { force: true });
  await unlessAbsent(syncFolder(rstowFolder(dataDir)));
}
