import type { HotBackupResult } from './hot-backup.ts';
import { commonFields, inputParser, nameField, optional, type Parsed } from './input-field.ts';

const fields = {
  ...commonFields,
  /** Gives the backup's end this name: a point that can be recovered by it. */
  mark: optional(nameField),
};

/** A backup of a server that is stopped meanwhile, for as long as it takes to store what is left by then. */
export type ColdBackupInput = Parsed<typeof fields>;

export const parseColdBackupInput = inputParser('coldBackup', fields);

export type ColdBackupResult = HotBackupResult & {
  /** What became of the server: a server that was found stopped is left so. */
  server?: 'restarted' | 'left-stopped';
  /** From the decision to stop the server to its first answer; absent if it was not stopped, or another process has started it. */
  downtimeMs?: number | undefined;
  /** The bytes of log that were stored while the server was down. */
  tailBytes?: number | undefined;
};
