import { booleanField, commonFields, inputParser, integerField, nameField, optional, type Parsed, textField } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** `latest`, or a label or a label's unique beginning. */
  backup: textField(200),
  /** Until when (Unix ms); until it is released where absent. */
  untilMs: optional(integerField(1, Number.MAX_SAFE_INTEGER)),
  /** Whether all holds of it end. */
  release: optional(booleanField),
  /** With `release`: this name of its end goes instead. */
  mark: optional(nameField),
};

/** Keeps a backup from expiring, whatever its age, or takes away what keeps it. */
export type HoldBackupInput = Parsed<typeof fields>;

export const parseHoldBackupInput = inputParser('holdBackup', fields);

export type HoldBackupResult = CommonResult & {
  label: string;
  /** Those that have the backup. */
  repositories: string[];
  /** Holds, or marks, that are gone, in all of them. */
  released: number;
};
