import { join } from 'node:path';
import { rename, rm } from 'node:fs/promises';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { makeFolder, readSmallFile, syncFolder, writeFileDurably } from '../files/durable.ts';
import {
  type BaselineFile,
  baselineFileSchema,
  type StopNote,
  stopNoteFault,
  stopNoteSchema,
  type TimelineFile,
  timelineFileSchema,
} from '../../formats/data-directory.ts';
import { unlessAbsent } from '../files/errno.ts';

/** What rstow keeps inside a data directory; on its file system, so that links and renames work. */
const FOLDER_NAME = '.rstow';
const PART = /^(?!\.+$)[A-Za-z0-9._-]{1,128}$/;

export function rstowFolder(dataDir: string): string {
  return join(dataDir, FOLDER_NAME);
}

/** Makes `<data>/.rstow`, private to the owner. Twice: no-op. */
export async function makeRstowFolder(dataDir: string): Promise<string> {
  const path = rstowFolder(dataDir);
  await makeFolder(path);
  return path;
}

/** Where a run that restores keeps its files, relative to the data directory, as stop notes name them. */
export function restoreFolderName(runId: string): string {
  return `${FOLDER_NAME}/restores/${pathPart(runId)}`;
}

/** Whether a name can be a run's id or a timeline: what else lies among them, a person has put there. */
export function isPathPart(text: string): boolean {
  return PART.test(text);
}

/** Asserts that a run id or a timeline is one harmless part of a path. */
export function pathPart(text: string): string {
  assert(isPathPart(text), `'${text}' is one part of a path`);
  return text;
}

const TIMELINE_FILE_NAME = 'rstow-timeline.json';

export const timelineFilePath = (walDir: string): string => join(walDir, TIMELINE_FILE_NAME);

/** Which history a wal/ holds; undefined where nobody said so yet. Fails: timeline-diverged where it can't be read. */
export async function readTimelineFile(walDir: string): Promise<TimelineFile | undefined> {
  const path = timelineFilePath(walDir);
  const text = await readSmallFile(path);
  if (text === undefined) return undefined;
  try {
    return timelineFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new RstowError('timeline-diverged', `${path} does not say which timeline this is`, { details: { path }, cause });
  }
}

/** Marks a wal/ as holding this history; the server ignores the file. Durable when it returns. Twice: same file. */
export async function writeTimelineFile(walDir: string, file: TimelineFile): Promise<void> {
  const path = timelineFilePath(walDir);
  // Readable like the segments: a server's own account may want to read its folder.
  await writeFileDurably(path, `${JSON.stringify(timelineFileSchema.parse(file))}\n`, { mode: 0o644, temporaryPath: `${path}.tmp` });
}

const BASELINE_FILE_NAME = 'rstow-baseline.json';

/** With which segment the log begins if that is a baseline; undefined where nothing that can be read says so. */
export async function readBaselineFile(walDir: string): Promise<BaselineFile | undefined> {
  const text = await readSmallFile(join(walDir, BASELINE_FILE_NAME));
  return text === undefined ? undefined : baselineFileSchema.safeParse(jsonOf(text)).data;
}

/** Lets the log say so by itself, whatever becomes of its repository; the server ignores the file. Durable when it returns. Twice: same file. */
export async function writeBaselineFile(walDir: string, file: Omit<BaselineFile, 'format'>): Promise<void> {
  const path = join(walDir, BASELINE_FILE_NAME);
  const text = JSON.stringify(baselineFileSchema.encode({ format: 1, ...file }));
  await writeFileDurably(path, `${text}\n`, { mode: 0o644, temporaryPath: `${path}.tmp` });
}

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
