import { RstowError } from '../core/errors/rstow-error.ts';
import type { FirstBackup } from './hot-backup.ts';
import { booleanField, nameField, optional, type Parsed, textField } from './input-field.ts';
import type { RestoreSummary } from './restore.ts';
import type { CommonResult } from './result.ts';
import { commonFields, inputParser } from './workflow-input.ts';

const fields = {
  ...commonFields,
  /** The new host's agent; an agent with `standby: true`, else the owner itself, where absent. */
  agent: optional(nameField),
  /**
   * `latest`, a label, or a label's unique beginning: no state newer than this backup's is recovered, for what came
   * later is bad; `latest` where absent.
   */
  target: optional(textField(80)),
  /** Recovers although the database is up and as new as its backups. */
  force: optional(booleanField),
};

/** The newest provable state onto a new host, verified, owned by it, and backed up again. */
export type DisasterRecoveryInput = Parsed<typeof fields>;

export const parseDisasterRecoveryInput = inputParser('disasterRecovery', fields);

/** A newer state that could not be recovered, and why. */
export type SkippedState = { label: string; repository: string; code: string; reason: string };

/** So many reasons fit a sentence. */
const REASONS_MAX = 20;

/** What a recovery fails with where no state is left to try: backup-not-found, with each one's reason, the newest first. */
export function nothingRecoverable(database: string, skipped: readonly SkippedState[]): RstowError {
  const reasons = skipped.slice(0, REASONS_MAX).map(({ label, repository, reason }) => `${label} in ${repository}: ${reason}`);
  const unnamed = skipped.length - reasons.length;
  const named = [...reasons, ...(unnamed > 0 ? [`and ${unnamed} older ones`] : [])];
  const why = named.length === 0 ? 'there is none' : named.join('; ');
  return new RstowError('backup-not-found', `no backup of "${database}" can be recovered: ${why}`, { details: { reasons } });
}

/** What is missing after the recovery, as far as anybody can know. */
export type Loss = {
  /** When the recovered state was taken: what was written after it is lost (Unix ms). */
  sinceMs: number;
  /** When the recovery was asked for: nothing was written after it. */
  untilMs: number;
  /** Records that newer backups promise and that the recovered state lacks. */
  knownRecords: number;
  /** The newest offset that any backup promises, where it is beyond the recovered one. */
  knownEnd?: string;
};

export type DisasterRecoveryResult = CommonResult &
  Partial<RestoreSummary> & {
    /** The owner's new generation: the old host is fenced by it. */
    generation?: number;
    skipped?: SkippedState[];
    lost?: Loss;
    /** From the start of the run until the recovered server had answered and shown its state. */
    rtoMs?: number;
    /** Absent where it failed: then a warning says so, for the data are in place. */
    firstBackup?: FirstBackup;
    /** Requests that came while the first one was at work. */
    laterRequests?: number;
    replacedAt?: string;
    durationMs?: number;
  };
