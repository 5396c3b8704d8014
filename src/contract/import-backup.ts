import type { TakenFrom } from '../core/import/taken-at.ts';
import type { BackupSummary } from './hot-backup.ts';
import { absolutePathField, commonFields, inputParser, nameField, optional, type Parsed } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** The archive: a path on the host of the agent that reads it, below one of its archive roots. */
  file: absolutePathField,
  /** The agent whose host has it; the database’s owner where absent. */
  agent: optional(nameField),
};

/** Makes a backup of a tar archive of a data directory, as the scripts of the database’s guide make it. */
export type ImportBackupInput = Parsed<typeof fields>;

export const parseImportBackupInput = inputParser('importBackup', fields);

/** `not-needed`: the same log is imported already, no check has found that backup damaged, and it is the one that is described. */
export type ImportBackupResult = CommonResult &
  BackupSummary & {
    file: string;
    agent: string;
    /** When the archive was made (Unix ms), and what says so: the label has the same time. */
    takenAtMs: number;
    takenFrom: TakenFrom;
  };
