import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import { commonFields, inputParser, type Parsed } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = { ...commonFields };

/** A backup of a running server. */
export type HotBackupInput = Parsed<typeof fields>;

export const parseHotBackupInput = inputParser('hotBackup', fields);

/** Whether a server can start from the backup alone: from its whole log, from a baseline, or not. */
export type Restorable = 'from-log' | 'from-baseline' | 'no';

/** How the segments were kept from compaction while they were read. */
export type PinKind = 'links' | 'descriptors';

export type BackupSummary = {
  kind: 'hot' | 'tail';
  label: string;
  repository: string;
  timeline: string;
  extents: ExtentsSummary;
  records: number;
  machines: number;
  instances: number;
  /** 64 hex digits; equal digests mean equal machines and instances. */
  stateDigest: string;
  restorable: Restorable;
  /** Present where this backup can't be restored: the label of the newest one that can be, null where none can. */
  newestRestorable?: string | null;
  pin: PinKind;
  piecesStored: number;
  /** Bytes that this run added to the repository, and the plain WAL bytes in them. */
  bytesStored: number;
  bytesPlain: number;
  durationMs: number;
};

/** The backup that follows where a new history has begun. */
export type FirstBackup = Pick<BackupSummary, 'label' | 'piecesStored' | 'bytesStored'>;

/** Until that backup is there, the newest one is of the history that was left. */
export function noBackupYet(database: string): string {
  return `the data are in place, but their history has no backup yet; make one with \`rstow backup ${database}\``;
}

/** `skipped` (a scheduled run met a busy database) has no summary. */
export type HotBackupResult = CommonResult & Partial<BackupSummary>;
