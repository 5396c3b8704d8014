import { booleanField, commonFields, inputParser, integerField, optional, type Parsed, textField } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** `latest`, or a label or a label's unique beginning. */
  backup: textField(200),
  /** Until when (Unix ms); until it is released where absent. */
  untilMs: optional(integerField(1, Number.MAX_SAFE_INTEGER)),
  /** Whether all holds of it end. */
  release: optional(booleanField),
};

/** Keeps a backup from expiring, whatever its age, or lets it go again. */
export type HoldBackupInput = Parsed<typeof fields>;

export const parseHoldBackupInput = inputParser('holdBackup', fields);

export type HoldBackupResult = CommonResult & {
  label: string;
  /** Those that have the backup. */
  repositories: string[];
  /** Holds that have ended, in all of them. */
  released: number;
};
