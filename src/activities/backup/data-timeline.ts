import type { Database } from '../../database/database.ts';
import type { Timeline } from '../../formats/repository/timeline.ts';
import type { TimelineFile } from '../../formats/data-directory/timeline-file.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readTimelineFile, writeTimelineFile } from '../../io/data-directory/timeline-file.ts';
import type { Store } from '../../store/store.ts';
import { FIRST_TIMELINE } from '../../store/timelines.ts';

/**
 * Which history the directory continues: its own file says so. Without a file it is the first timeline, and is marked
 * as such, as long as no other was ever made. Fails: timeline-diverged.
 */
export async function timelineOfData(
  { timelines: stored }: Pick<Store, 'timelines'>,
  { name: database, walDir }: Database,
): Promise<string> {
  const timelines = await stored.all();
  const file = await readTimelineFile(walDir);
  if (file === undefined) {
    const only = timelines.get(FIRST_TIMELINE);
    if (only === undefined || timelines.size !== 1) throw unmarked(walDir, [...timelines.keys()]);
    await writeTimelineFile(walDir, { format: 1, database, timeline: FIRST_TIMELINE, generation: only.generation });
    return FIRST_TIMELINE;
  }
  const known = timelines.get(file.timeline);
  if (known !== undefined && isHistoryOf(file, { database, known })) return file.timeline;
  const whose = `timeline ${file.timeline} of database "${file.database}"`;
  throw new RstowError('timeline-diverged', `${walDir} holds ${whose}, which the repository does not know as ${database}'s`);
}

/** Two repositories that never met may have given one id to two histories: the run that made each tells them apart. */
export function isHistoryOf(file: TimelineFile, of: { database: string; known: Timeline }): boolean {
  return file.database === of.database && (file.fork === undefined || file.fork.runId === of.known.runId);
}

function unmarked(walDir: string, timelines: string[]): RstowError {
  return new RstowError('timeline-diverged', `${walDir} does not say which of the timelines ${timelines.join(', ')} it continues`, {
    details: { walDir, timelines },
  });
}
