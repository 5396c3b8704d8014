import { bytesPerSecondField } from './archive-wal.ts';
import { commonFields, inputParser, listField, nameField, optional, type Parsed, textField } from './input-field.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { CommonResult, Warning } from './result.ts';

/** As many as a database has at most. */
const REPOSITORIES_MAX = 10;

const { repository: _neither, ...fieldsOfAll } = commonFields;

const fields = {
  ...fieldsOfAll,
  /** The repository to copy from; where absent, for each object the first of the database's repositories that has it whole. */
  from: optional(nameField),
  /** The repositories to fill; all of the database's where absent. */
  to: optional(listField(nameField, REPOSITORIES_MAX)),
  /** Only this backup, also where it has expired: `latest`, or a label or a label's unique beginning. */
  backup: optional(textField(200)),
  /** How much is stored in each of them in a second at most; no limit where absent. */
  bytesPerSecond: optional(bytesPerSecondField),
};

/** Gives each repository of a database what another one has and it lacks. */
export type CopyBackupsInput = Parsed<typeof fields>;

export const parseCopyBackupsInput = inputParser('copyBackups', fields);

/** Why so many objects are not in a repository; `message` is of the first of them. */
export type CopyFailure = { code: string; count: number; message: string };

/** What became of one repository. The counts are of pieces of the log, attachments, marks and manifests. */
export type FilledRepository = {
  repository: string;
  /** Objects that it lacked, and has now. */
  copied: number;
  /** Objects that one of its own backups needs, and that were damaged or gone. */
  repaired: number;
  /** Objects that it had. */
  there: number;
  /** Backups that it lacks because they have expired there. */
  expired: number;
  /** What was written, as it is stored. */
  bytesStored: number;
  /** Empty if it has all that the others have. */
  failures: CopyFailure[];
};

export type CopyBackupsResult = CommonResult & { repositories: FilledRepository[]; durationMs: number };

/** How many repositories of the database have a backup. */
export type BackupCopies = {
  stored: number;
  /** As many as the database has. */
  wanted: number;
  /** So many have to have it: `databases.<name>.quorum`. */
  quorum: number;
  failed: FailedCopy[];
};

/** A repository that lacks a backup, or a part of it. */
export type FailedCopy = { repository: string; code: string; message: string };

/** How much of the log a repository has given for a restore; bytes of the log. */
export type ServedBytes = { repository: string; sizeBytes: number };

/** What is warned of, whether or not the quorum has it. */
export function uncopiedWarning({ repository, code, message }: FailedCopy): Warning {
  return { code, message: `repository ${repository} lacks this backup, or a part of it: ${message}` };
}

/** The failure of a run whose backup is in fewer repositories than are wanted. */
export function quorumNotReached({ database, label }: { database: string; label: string }, copies: BackupCopies): RstowError {
  const { stored, wanted, quorum, failed } = copies;
  const why = failed.map(({ repository, message }) => `${repository}: ${message}`).join('; ');
  const sentence = `backup ${label} is in ${stored} of ${wanted} repositories, and at least ${quorum} have to have it (${why})`;
  return new RstowError('quorum-not-reached', sentence, { details: { database, label, stored, wanted, quorum } });
}
