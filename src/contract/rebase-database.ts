import { booleanField, commonFields, inputParser, optional, type Parsed } from './input-field.ts';
import type { RestoreResult } from './restore.ts';

const fields = {
  ...commonFields,
  /** Ends after the plan, which is made of the newest backup: nothing is written but the plan itself. */
  dryRun: optional(booleanField),
};

/** Lets a server go on with a log that begins with its present state: shorter, and with everything that its next start needs. */
export type RebaseDatabaseInput = Parsed<typeof fields>;

export const parseRebaseDatabaseInput = inputParser('rebaseDatabase', fields);

/** What a start of the server replays. */
export type LogSize = { segments: number; sizeBytes: number };

export type RebaseDatabaseResult = RestoreResult & {
  /**
   * Before and after, as far as it was backed up; what clients wrote meanwhile comes on top of both. In a dry run `after` lacks the baseline,
   * which is not made then. Absent if nothing was to be done.
   */
  log?: { before: LogSize; after: LogSize } | undefined;
  /** Segments that the server's next start would have lacked. */
  lacking?: number | undefined;
  /** What clients notice. */
  note?: string;
};

export const OFFSETS_NOTE =
  'an instance that has not changed since has another last_wal_offset now: a client that sends the old one as expected_wal_offset gets CONFLICT once, and reads the instance again';
