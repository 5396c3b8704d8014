import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import { commonFields, inputParser, integerField, optional, type Parsed, textField } from './input-field.ts';
import type { CommonResult } from './result.ts';

const PAUSED_BY_LENGTH_MAX = 200;
const BYTES_PER_SECOND_MIN = 1024;
const BYTES_PER_SECOND_MAX = 1024 ** 4;

/** How much of the log is stored in a second at most; 1 KiB or more. */
export const bytesPerSecondField = integerField(BYTES_PER_SECOND_MIN, BYTES_PER_SECOND_MAX);
export const pausedByField = textField(PAUSED_BY_LENGTH_MAX);

const fields = {
  ...commonFields,
  /** Begins paused: who wants that. */
  pausedBy: optional(pausedByField),
  /** That of the config where absent. */
  bytesPerSecond: optional(bytesPerSecondField),
};

/** Follows a database's log for ever: one run for each database, which the owner's agent starts. */
export type ArchiveWalInput = Parsed<typeof fields>;

export const parseArchiveWalInput = inputParser('archiveWal', fields);

/** A run that is cancelled has no result; none ends by itself. */
export type ArchiveWalResult = CommonResult;

/** How an archive is wanted now: the answer to the query `wanted`. */
export type ArchiveWanted = Pick<ArchiveWalInput, 'pausedBy' | 'bytesPerSecond'>;

/** What is archived at a moment: null if there is no record yet. */
export type ArchivedExtents = { timeline: string; extents: ExtentsSummary | null };
