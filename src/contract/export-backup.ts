import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import { absolutePathField, commonFields, inputParser, nameField, optional, type Parsed, textField } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** `latest`, a label, or a label's unique beginning. */
  backup: textField(80),
  /** The archive to make: a path on the host of the agent that writes it, below one of its archive roots. Nothing may be there. */
  file: absolutePathField,
  /** The agent whose host gets it; the database’s owner where absent. */
  agent: optional(nameField),
};

/** Makes a tar.gz archive of a backup that the guide’s restore.sh can use. */
export type ExportBackupInput = Parsed<typeof fields>;

export const parseExportBackupInput = inputParser('exportBackup', fields);

export type ExportBackupResult = CommonResult & {
  label: string;
  repository: string;
  timeline: string;
  file: string;
  agent: string;
  /** Of the file. */
  sizeBytes: number;
  sha256: string;
  /** What is in it. */
  extents: ExtentsSummary;
  records: number;
  machines: number;
  instances: number;
  stateDigest: string;
  durationMs: number;
};
