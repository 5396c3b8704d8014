import type { HigherNumbers } from '../core/recovery/record-search.ts';
import type { LogRecord } from '../core/recovery/log-record.ts';
import type { StateDifference } from '../core/recovery/state-difference.ts';
import { commonFields, inputParser, optional, type Parsed } from './input-field.ts';
import { recoveryTargetField, timelineField } from './recovery-target.ts';
import { recoveryFields, type RestoreResult } from './restore.ts';

const fields = {
  ...commonFields,
  /** The point: an object with one of `latest`, `offset`, `sequence`, `time`, `name`, `before`, `after`. */
  target: recoveryTargetField,
  /** A history that the database has had, such as `0001`; the one in use where absent. A named point has its own. */
  timeline: optional(timelineField),
  ...recoveryFields,
};

/** Full recovery to any point of a stored history. */
export type PointInTimeRecoveryInput = Parsed<typeof fields>;

export const parsePointInTimeRecoveryInput = inputParser('pointInTimeRecovery', fields);

/** Where the recovered log ends. */
export type PointSummary = {
  /** The first offset that is not recovered, in decimal. */
  end: string;
  /** All that was written before this time is recovered (Unix ms); absent for a point before the first backup’s end. */
  sinceMs?: number | undefined;
  /** Nothing that was written after this time is recovered (Unix ms). */
  untilMs: number;
  /** Of a sequence: records before the point whose numbers are higher. They are recovered as well. */
  higher?: HigherNumbers | undefined;
};

/** What a dry run says of a point beside the plan. */
export type PointExplanation = {
  /** The last records that are recovered, the newest last. */
  lastRecords: LogRecord[];
  /** The first one that is not; null where nothing more is stored. */
  nextRecord: LogRecord | null;
  /** How the data in place differ from the state at the point; null where they can’t be compared, or aren’t replaced. */
  difference: StateDifference | null;
};

export type PointInTimeRecoveryResult = RestoreResult & { point?: PointSummary; explanation?: PointExplanation };
