import type { TimelineFile } from '../../formats/data-directory.ts';
import type { DataSummary } from '../../contract/data-summary.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { SegmentId } from '../../core/wal/wal-offset.ts';
import type { SegmentFile } from '../../io/data-directory/segments.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkContinues, isHistoryOf } from '../backup/source-continuity.ts';
import type { Database } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { requireOneAnswer } from '../../store/database-repositories.ts';
import { FIRST_TIMELINE } from '../../store/timelines.ts';
import type { Store } from '../../store/store.ts';

/** How much of a directory's log the backups of its history hold, in all repositories together. */
export type HeldLog = {
  timeline: string | null;
  /** The newest of those backups. */ label: string | null;
  ends: ReadonlyMap<SegmentId, number>;
  records: number;
  /** Why none of them can be held against the directory. */ fault?: DataSummary['fault'];
};

type Asked = { database: Database; files: readonly SegmentFile[]; run: Pick<RunPort, 'runId'> };

/** Fails: repository-unavailable, where none answers. */
export async function heldLog(deps: ActivityDeps, asked: Asked): Promise<HeldLog> {
  const { name, walDir } = asked.database;
  const file = await timelineFile(walDir, name);
  if (file instanceof RstowError) return nothingHeld(null, file);
  const found = await deps.catalogueOf(name).each((store) => heldIn(store, { ...asked, file }));
  const [failure] = found.failures;
  if (found.answers.length === 0 && failure !== undefined && isObjectDamage(failure.error.code))
    return nothingHeld(file.timeline, failure.error);
  requireOneAnswer(found);
  const answers = found.answers.map((answer) => answer.found);
  const held = answers.filter(({ fault }) => fault === undefined);
  const most = held.reduce<HeldLog | undefined>(
    (best, next) => (best !== undefined && best.records >= next.records ? best : next),
    undefined,
  );
  return most ?? (answers[0] as HeldLog);
}

/** A log that nobody has marked yet is of the first timeline. */
async function timelineFile(walDir: string, database: string): Promise<TimelineFile | RstowError> {
  try {
    return (await readTimelineFile(walDir)) ?? { format: 1, database, timeline: FIRST_TIMELINE, generation: 1 };
  } catch (error) {
    if (error instanceof RstowError && error.code === 'timeline-diverged') return error;
    throw error;
  }
}

/** What is wrong with the directory's log itself: whoever wants to replace it has to hear of it, and go on. */
const LOG_FAULTS = ['timeline-diverged', 'source-damaged'];

async function heldIn(store: Store, asked: Asked & { file: TimelineFile }): Promise<HeldLog> {
  const { files, file, run } = asked;
  const { database } = store;
  const { timeline } = file;
  const known = (await store.timelines.all()).get(timeline);
  if (known === undefined || !isHistoryOf(file, { database, known })) {
    const sentence = `no repository knows timeline ${timeline} of database "${file.database}" as ${database}'s`;
    return nothingHeld(timeline, new RstowError('timeline-diverged', sentence));
  }
  try {
    const segments = files.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes }));
    const pathOf = (segment: SegmentId): string => files.find((candidate) => candidate.segment === segment)?.path ?? '';
    const target = { store, timeline, runId: run.runId };
    const stored = await store.pieces.of(timeline);
    await checkContinues(target, { fence: { format: 1, timeline, pin: 'links', segments }, stored, pathOf });
  } catch (error) {
    if (!(error instanceof RstowError) || !LOG_FAULTS.includes(error.code)) throw error;
    return nothingHeld(timeline, error);
  }
  const own = await store.backups.newestOfTimeline({ timeline, exceptRunId: run.runId });
  const manifest = own ?? (known.parent === null ? undefined : await store.backups.read(known.parent.label));
  if (manifest === undefined) return { timeline, label: null, ends: new Map(), records: 0 };
  const { label, segments, records } = manifest;
  return { timeline, label, ends: new Map(promisedExtents(segments).map(({ segment, endBytes }) => [segment, endBytes])), records };
}

function nothingHeld(timeline: string | null, { code, message }: RstowError): HeldLog {
  return { timeline, label: null, ends: new Map(), records: 0, fault: { code, sentence: message } };
}
