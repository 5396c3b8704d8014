import { booleanField, commonFields, type Field, inputParser, optional, type Parsed, textField } from './input-field.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { RestoreResult } from './restore.ts';

const runIdField: Field<string> = (value, path) => {
  const text = textField(64)(value, path);
  if (/^[A-Za-z0-9-]+$/.test(text)) return text;
  throw new RstowError('invalid-input', `field "${path}" must be the id of a run or its beginning`, { details: { field: path } });
};

const fields = {
  ...commonFields,
  /** The id of the restore’s run, or its beginning; the newest one that has a safety copy where absent. */
  restore: optional(runIdField),
  /** Ends after the plan; a backup of the replaced data is made first, if there is none. */
  dryRun: optional(booleanField),
  /** Goes on although the repository can't take what no backup holds of the data that are replaced. */
  discardNewer: optional(booleanField),
};

/** Puts back the data that a restore in place has replaced. */
export type UndoRestoreInput = Parsed<typeof fields>;

export const parseUndoRestoreInput = inputParser('undoRestore', fields);

/** The run that had replaced the data, and where its safety copy lies; without it they come from the backup alone. */
export type UndoneRestore = { runId: string; safetyCopy?: string | undefined };

export type UndoRestoreResult = RestoreResult & { undoes?: UndoneRestore };
