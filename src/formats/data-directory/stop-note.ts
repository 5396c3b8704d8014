import { z } from 'zod';

/** A folder is told by its inode: a rename keeps it, a look-alike has another. */
const folder = z.object({ inode: z.string().regex(/^[1-9][0-9]*$/, 'must be an inode number') });

/** Relative, for the guard may see the data directory under another path, as in a container. */
const restorePath = z.string().regex(/^\.rstow\/restores\/(?!\.+\/)[A-Za-z0-9._-]+\/[a-z]+(\/wal)?$/, 'must lie in .rstow/restores');

/**
 * `.rstow/stop.json`: a restore has stopped the server on purpose, and how to finish it without that restore. Another
 * version may have written it: a field that we don't know is kept out of the way, and one that changes what the others
 * mean raises the format. @see finishUnreadableNote
 */
export const stopNoteSchema = z.object({
  format: z.literal(1),
  runId: z.string().min(1),
  database: z.string().min(1),
  phase: z.enum(['stopping', 'swapping', 'starting']),
  /** The wal/ that was in place; null where the data were lost. */
  oldWal: folder.nullable(),
  newWal: folder,
  /** Where the new wal/ waits, relative to the data directory. */
  stagedWal: restorePath,
  /** Where the old wal/ and snapshots/ go, relative to the data directory. */
  replacedDir: restorePath,
  /** When whoever finds the note finishes it, though its holder lives. */
  deadlineMs: z.int().min(0),
  holder: z.object({ pid: z.int().min(1), startTicks: z.int().min(0) }),
  createdAtMs: z.int().min(0),
});

export type StopNote = z.infer<typeof stopNoteSchema>;
