import { join } from 'node:path';
import { type TimelineFile, timelineFileSchema } from '../../formats/data-directory/timeline-file.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readSmallFile, writeFileDurably } from '../files/durable.ts';

const FILE_NAME = 'rstow-timeline.json';

/** Which history a wal/ holds; undefined where nobody said so yet. Fails: timeline-diverged where it can't be read. */
export async function readTimelineFile(walDir: string): Promise<TimelineFile | undefined> {
  const path = join(walDir, FILE_NAME);
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
  const path = join(walDir, FILE_NAME);
  // Readable like the segments: a server's own account may want to read its folder.
  await writeFileDurably(path, `${JSON.stringify(timelineFileSchema.parse(file))}\n`, { mode: 0o644, temporaryPath: `${path}.tmp` });
}
