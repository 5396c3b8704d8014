import { CHECK_LEVELS, type CheckLevel } from '../core/backup/checks.ts';
import { choiceField, commonFields, inputParser, optional, type Parsed, textField } from './input-field.ts';
import type { CommonResult } from './result.ts';

/** How deep: stored bytes · the records in them · the state that replaying them gives. */
export type VerifyLevel = CheckLevel;

const fields = {
  ...commonFields,
  /** `latest`, a label, or a label's unique beginning. */
  backup: optional(textField(80)),
  /** `replay` where absent: it includes the other two. */
  level: optional(choiceField<VerifyLevel>(...CHECK_LEVELS)),
};

/** Reads a whole backup and compares it with what its manifest promises. */
export type VerifyBackupInput = Parsed<typeof fields>;

export const parseVerifyBackupInput = inputParser('verifyBackup', fields);

export type VerifyBackupResult = CommonResult & {
  label: string;
  repository: string;
  level: VerifyLevel;
  pieces: number;
  records: number;
  bytesRead: number;
  bytesPlain: number;
  /** Present at level `replay`, and then equal to the manifest's. */
  stateDigest?: string;
  durationMs: number;
};
