import type { ServedBytes } from './copy-backups.ts';
import type { FirstBackup } from './hot-backup.ts';
import type { DataSummary } from './data-summary.ts';
import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import type { WalOffsetText } from '../core/wal/wal-offset.ts';
import {
  absolutePathField,
  booleanField,
  commonFields,
  inputParser,
  nameField,
  objectField,
  optional,
  type Parsed,
  textField,
} from './input-field.ts';
import type { CommonResult, Warning } from './result.ts';

/** Of every recovery to a stored state, whatever says which state. */
export const recoveryFields = {
  /** Another directory, on the owner's host or on the named agent's; in place where absent. */
  to: optional(objectField({ dataDir: absolutePathField, agent: optional(nameField) })),
  /** Ends after the plan: nothing is written but the plan itself. */
  dryRun: optional(booleanField),
  /** Goes on although the repository can't take what no backup holds of the data that are replaced. */
  discardNewer: optional(booleanField),
};

const fields = {
  ...commonFields,
  /** `latest`, a label, or a label's unique beginning. */
  backup: textField(80),
  ...recoveryFields,
};

/** Full recovery to a backup. */
export type RestoreInput = Parsed<typeof fields>;

export const parseRestoreInput = inputParser('restore', fields);

/** Failures that mean that the restored data are bad; others leave the old data in place, or a server that runs well. */
export const ROLLED_BACK_CODES: readonly string[] = ['service-start-failed', 'digest-different'];

/**
 * Whether a real server booted on the restored files before they took the old ones' place. `unfinished`: it booted, and
 * stopped answering before its whole state was compared.
 */
export type RehearsalOutcome = 'passed' | 'unfinished' | 'skipped' | 'off';

/**
 * The segment with which the restored log begins, in the place of what was older than the config lets a server replay: it holds the state
 * that all of that gave.
 */
export type BaselineSummary = {
  /** 16 hex digits, as in its file's name. */
  segment: string;
  /** How much of the log the server doesn't replay any more, and before when all of that was written (Unix ms). */
  replacedBytes: number;
  writtenBeforeMs: number;
  /** Its own size; unknown in a dry run. */
  sizeBytes?: number | undefined;
};

export type RestoreSummary = {
  label: string;
  repository: string;
  /** The directory that holds the restored data, and the host that it lies on. */
  dataDir: string;
  agent: string;
  fromTimeline: string;
  /** The history that the data continue: a new one after a restore in place. */
  timeline: string;
  extents: ExtentsSummary;
  records: number;
  machines: number;
  instances: number;
  stateDigest: string;
  /** In place only, and only if there is one. */
  baseline?: BaselineSummary | undefined;
  /** Up to which offset the archive holds the log beyond the newest backup, which is restored; absent if it holds no more. */
  archivedEnd?: WalOffsetText | undefined;
  planKey: string;
  planHash: string;
};

export type RestoreResult = CommonResult &
  Partial<RestoreSummary> & {
    dryRun?: boolean;
    /** In place only: what lies there before; null where there is no log. */
    replaces?: DataSummary | null;
    /** Of a database with several repositories: how much of the log each has given. */
    served?: ServedBytes[] | undefined;
    /** The backup that holds all of what was replaced; absent where a warning says why there is none. */
    savedAs?: string | undefined;
    rehearsal?: RehearsalOutcome;
    /** Where the replaced data are kept, and until when (Unix ms). */
    replacedAt?: string;
    replacedKeptUntilMs?: number;
    /** From the stop of the old server to the first answer of the new one. */
    downtimeMs?: number | undefined;
    /** After a restore in place; absent where it failed: then a warning says so. */
    firstBackup?: FirstBackup | undefined;
    durationMs?: number;
  };

/** The warning of a restore whose new history could not be noted in the repository. */
export function historyUnnoted(timeline: string, why: string): Warning {
  const sentence = `the repository does not say yet that the database goes on with timeline ${timeline}; the next backup will say it.`;
  return { code: 'history-unnoted', message: `${sentence}${why === '' ? '' : ` ${why}`}` };
}
