import { RstowError } from '../core/errors/rstow-error.ts';
import { type DataSummary, unsavedText } from './data-summary.ts';
import type { FirstBackup } from './hot-backup.ts';
import { booleanField, commonFields, inputParser, nameField, optional, type Parsed, textField } from './input-field.ts';
import type { ServedBytes } from './copy-backups.ts';
import type { RestoreSummary } from './restore.ts';
import type { CommonResult } from './result.ts';

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
  /** Recovers although that discards what a host that could be seen holds and no backup does. */
  discardNewer: optional(booleanField),
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
  const named = unnamed > 0 ? [...reasons, `and ${unnamed} older ones`] : reasons;
  const why = named.length === 0 ? 'there is none' : named.join('; ');
  return new RstowError('backup-not-found', `no backup of "${database}" can be recovered: ${why}`, { details: { reasons } });
}

/** What a host holds that the recovered state lacks. */
export type SeenData = { agent: string; data: DataSummary };

/**
 * What a recovery fails with where it would discard what no backup holds, and nobody has agreed to that; with the command
 * that says so. `why`: what kept the server from continuing on the data in place.
 */
export function newerDataDiscarded(
  input: DisasterRecoveryInput,
  of: { seen: readonly SeenData[]; label: string; why?: string | undefined },
): RstowError {
  const what = of.seen.map(({ agent, data }) => `${unsavedText(data)}, in ${data.dataDir} of agent "${agent}"`).join('; and ');
  const why = of.why === undefined ? '' : `; the server can’t continue on them: ${of.why}`;
  const command = discardCommand(input);
  const sentence = `recovering ${of.label} would discard ${what}${why}; to discard them: \`${command}\``;
  const records = of.seen.reduce((sum, { data }) => sum + data.unsavedRecords, 0);
  const lastWriteAtMs = Math.max(...of.seen.map(({ data }) => data.lastWriteAtMs));
  const instances = of.seen[0]?.data.instances ?? null;
  return new RstowError('newer-data-discarded', sentence, { details: { records, instances, lastWriteAtMs, label: of.label, command } });
}

function discardCommand({ database, agent, target, repository, force }: DisasterRecoveryInput): string {
  const flags = Object.entries({ agent, target, repository }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name} ${value}`],
  );
  if (force === true) flags.push('--force');
  return ['rstow recover', database, ...flags, '--discard-newer'].join(' ');
}

/** What is missing after the recovery, as far as anybody can know. */
export type Loss = {
  /** When the recovered state was taken, or when the archive had last seen something new of it: what was written after it is lost (Unix ms). */
  sinceMs: number;
  /** When the recovery was asked for: nothing that was written after it can be in the data that are given up. */
  untilMs: number;
  /** Records that newer backups promise and that the recovered state lacks. */
  knownRecords: number;
  /** The newest offset that any backup or archive promises, where it is beyond the recovered one. */
  knownEnd?: string;
  /** What hosts that could be seen hold and no backup does. */
  discarded: SeenData[];
  /** Why the lost data can't be counted, where they can't: what was written since `sinceMs` is lost, and how much is unknown. */
  unseen?: string | undefined;
};

export type DisasterRecoveryResult = CommonResult & {
  [Fact in keyof RestoreSummary]?: RestoreSummary[Fact] | undefined;
} & {
  /** The owner's new generation: the old host is fenced by it. */
  generation?: number;
  skipped?: SkippedState[];
  /** If the state holds what the archive had beyond the backup: all that had come by then is in it (Unix ms). */
  archivedUntilMs?: number | undefined;
  lost?: Loss;
  /** From the start of the run until the recovered server had answered and shown its state. */
  rtoMs?: number;
  /** Absent where it failed: then a warning says so, for the data are in place. */
  firstBackup?: FirstBackup | undefined;
  /** Requests that came while the first one was at work. */
  laterRequests?: number;
  /** Of a database with several repositories: how much of the log each has given. */
  served?: ServedBytes[] | undefined;
  replacedAt?: string | undefined;
  /** The backup that holds all of what was replaced on the new host. */
  savedAs?: string | undefined;
  /** `restarted` only: the data in place, on which the server runs again. */
  found?: SeenData;
  durationMs?: number;
};
