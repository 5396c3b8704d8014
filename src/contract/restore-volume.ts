import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import { booleanField, commonFields, datasetField, inputParser, nameField, optional, type Parsed, textField } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** `latest`, a label, or a label's unique beginning; a backup that was taken with `stream`. */
  backup: textField(80),
  /** A dataset of ZFS that does not exist yet, such as `tank/orders-copy`. */
  dataset: datasetField,
  /** The host that has its pool; the owner's where absent. */
  agent: optional(nameField),
  /** Ends after the plan: nothing is received. */
  dryRun: optional(booleanField),
};

/** Restores the whole dataset of a backup that has its stream, beside the one in use. */
export type RestoreVolumeInput = Parsed<typeof fields>;

export const parseRestoreVolumeInput = inputParser('restoreVolume', fields);

export type RestoreVolumeResult = CommonResult & {
  label: string;
  repository: string;
  agent: string;
  dataset: string;
  /** The directory in it that holds `wal/`. */
  dataDir: string;
  /** The history that the data continue. */
  timeline: string;
  extents: ExtentsSummary;
  records: number;
  machines: number;
  instances: number;
  stateDigest: string;
  /** Of the stream, as `zfs send` gave it. */
  streamBytes: number;
  /** Segments that the dataset lacked and the repository has: they were fetched. Unknown in a dry run. */
  segmentsFetched?: number | undefined;
  dryRun?: boolean | undefined;
  durationMs: number;
};
