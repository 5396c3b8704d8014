import type { SegmentId } from '../wal/wal-offset.ts';

/** What the restart guard of a database can do now, and what it knows. */
export type GuardState =
  /** By the config. */
  | { kind: 'off' }
  /** No hard links can keep the log here. */
  | { kind: 'unsupported'; why: string }
  /** There is no log, or nothing of it was pinned yet. */
  | { kind: 'waiting' }
  /** The log in place is not the one that was pinned. */
  | { kind: 'replaced'; why: string }
  | {
      kind: 'on';
      timeline: string;
      pinned: number;
      /** In wal/, and not pinned yet. */
      unpinned: number;
      /** Pinned, and not in wal/ at the moment: the next start needs them. */
      missing: SegmentId[];
      /** Deleted at the log's end, where the server writes. Absent in what an earlier rstow has said. */
      deletedAtEnd?: SegmentId[] | undefined;
      /** Segments that a server has started without. Their pins are kept; what they hold, only a backup from before gives back. */
      lost: SegmentId[];
      /** When that was found, Unix ms. */
      lostSinceMs: number | null;
      /** Log that compaction has deleted, and the guard keeps. */
      keptBytes: number;
    };

/** For whoever has to know what `deletedAtEnd` means. */
export function deletedAtEndSentence(segments: string): string {
  return `${segments} was deleted at the end of the log, where the server writes: what it writes now may be lost at its next start`;
}

/** For whoever has to know what `lost` means. */
export function lostSentence(database: string, segments: string): string {
  return `the server of database "${database}" was started without ${segments} of its log, which compaction had deleted: it lacks what they hold, and has written since. They are kept beside it, and not linked back, for that would put older states above newer ones`;
}
