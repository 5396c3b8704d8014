import { join } from 'node:path';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { makeFolder, readSmallFile, writeFileDurably } from '../files/durable.ts';
import { type TimelineFile, timelineFileSchema } from '../../formats/data-directory.ts';

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

/** Asserts that a run id or a timeline is one harmless part of a path. */
export function pathPart(text: string): string {
  assert(PART.test(text), `'${text}' is one part of a path`);
  return text;
}

const TIMELINE_FILE_NAME = 'rstow-timeline.json';

/** Which history a wal/ holds; undefined where nobody said so yet. Fails: timeline-diverged where it can't be read. */
export async function readTimelineFile(walDir: string): Promise<TimelineFile | undefined> {
  const path = join(walDir, TIMELINE_FILE_NAME);
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
  const path = join(walDir, TIMELINE_FILE_NAME);
  // Readable like the segments: a server's own account may want to read its folder.
  await writeFileDurably(path, `${JSON.stringify(timelineFileSchema.parse(file))}\n`, { mode: 0o644, temporaryPath: `${path}.tmp` });
}
