import { z } from 'zod';
import type { SegmentId } from '../core/wal/wal-offset.ts';
import { offsetText, segmentText, timelineId } from './repository/parts.ts';

/** A folder is told by its inode: a rename keeps it, a look-alike has another. */
const folder = z.object({ inode: z.string().regex(/^[1-9][0-9]*$/, 'must be an inode number') });

/** Relative, for the guard may see the data directory under another path, as in a container. */
const restorePath = z.string().regex(/^\.rstow\/restores\/(?!\.+\/)[A-Za-z0-9._-]+\/[a-z]+(\/wal)?$/, 'must lie in .rstow/restores');

/** Who has stopped the server, and until when. */
const common = {
  format: z.literal(1),
  runId: z.string().min(1),
  database: z.string().min(1),
  /** When whoever finds the note finishes it, though its holder lives. */
  deadlineMs: z.int().min(0),
  holder: z.object({ pid: z.int().min(1), startTicks: z.int().min(0) }),
  createdAtMs: z.int().min(0),
};

/** The data are replaced meanwhile. */
const swapNoteSchema = z.object({
  ...common,
  kind: z.literal('swap'),
  phase: z.enum(['stopping', 'swapping', 'starting']),
  /** The wal/ that was in place; null where the data were lost. */
  oldWal: folder.nullable(),
  newWal: folder,
  /** Where the new wal/ waits, relative to the data directory. */
  stagedWal: restorePath,
  /** Where the old wal/ and snapshots/ go, relative to the data directory. */
  replacedDir: restorePath,
});

/** The data stay as they are: the server is only down. */
const stoppedNoteSchema = z.object({
  ...common,
  kind: z.literal('stopped'),
  phase: z.enum(['stopping', 'starting']),
  /** The wal/ that stays in place. */
  wal: folder,
  /** Where snapshots/ waits meanwhile, relative to the data directory. */
  asideDir: restorePath,
});

/**
 * `.rstow/stop.json`: the server was stopped on purpose, and how to finish that without whoever did it. Another version
 * may have written it: a field that we don't know is kept out of the way, and one that changes what the others mean
 * raises the format. Every kind keeps two promises, so that a version that doesn't know it can still let the server
 * start: a wal/ in place is whole, for it only ever comes there by a rename, and a holder at work has the data mutex.
 * @see finishUnreadableNote
 */
export const stopNoteSchema = z.discriminatedUnion('kind', [swapNoteSchema, stoppedNoteSchema]);

export type SwapNote = z.infer<typeof swapNoteSchema>;
export type StoppedNote = z.infer<typeof stoppedNoteSchema>;
export type StopNote = SwapNote | StoppedNote;

const KINDS: readonly string[] = stopNoteSchema.options.map(({ shape }) => shape.kind.value);

const anyNote = z.object({ format: z.number(), kind: z.unknown() });

/** Why a note can't be read, as it follows the name of its file. */
export function stopNoteFault(value: unknown): string {
  const note = anyNote.safeParse(value).data;
  if (note !== undefined && note.format > 1) return `is a stop note of format ${note.format}, and this version of rstow knows format 1`;
  if (note !== undefined && typeof note.kind === 'string' && !KINDS.includes(note.kind)) {
    return `is a stop note of kind "${note.kind}", and this version of rstow knows ${KINDS.join(' and ')}`;
  }
  return 'is not a stop note that this version of rstow can read';
}

/** `wal/rstow-timeline.json`: which history the bytes beside it belong to. It moves with the data. */
export const timelineFileSchema = z.strictObject({
  format: z.literal(1),
  database: z.string().min(1),
  timeline: timelineId,
  generation: z.int().min(1),
  /** The history that these bytes began as, and the run that forked them off. */
  fork: z.strictObject({ from: timelineId, runId: z.string().min(1) }).optional(),
});

export type TimelineFile = z.infer<typeof timelineFileSchema>;

/** Says of a log without its first segments that it begins with a baseline: none of it was lost. */
export const baselineFileSchema = z.strictObject({
  format: z.literal(1),
  segment: segmentText,
  /** The first point of the log, if it is not the baseline's end. */
  soundFrom: offsetText.optional(),
});

export type BaselineFile = z.infer<typeof baselineFileSchema>;

/** Segments as first and last of each unbroken row: a log may have thousands. */
const segmentRows = z.codec(z.array(z.tuple([segmentText, segmentText])), z.array(z.custom<SegmentId>()), {
  decode: (rows) => rows.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => (first + index) as SegmentId)),
  encode: (segments) => {
    const rows: [SegmentId, SegmentId][] = [];
    for (const segment of segments) {
      const row = rows.at(-1);
      if (row?.[1] === segment - 1) row[1] = segment;
      else rows.push([segment, segment]);
    }
    return rows;
  },
});

/**
 * `.rstow/pins/<timeline>/guard/guard.json`: what the restart guard knows of the log that it has pinned beside it, and
 * what it has done.
 */
export const guardFileSchema = z.object({
  format: z.literal(1),
  /** The server whose start was judged last: what it started from. */
  server: z.object({ pid: z.int().min(1), startTicks: z.int().min(0), bootId: z.string() }).nullable(),
  /** When the host was booted, as its clock had it (Unix ms): a clock that was set since can't order what happened. */
  bootedAtMs: z.number(),
  /** Segments that a server has started without. Their pins stay; none is linked back. */
  lost: segmentRows,
  /** When that was found first, Unix ms. */
  lostSinceMs: z.int().nullable(),
  /** Segments that compaction has deleted and the guard has linked back. */
  linked: segmentRows,
  /** Why no links can be made here. */
  unsupported: z.string().nullable(),
});

export type GuardFileContent = z.infer<typeof guardFileSchema>;
