import type { BackupRow } from './list-backups.ts';
import type { Parsed } from './input-field.ts';
import type { CommonResult } from './result.ts';
import { commonFields, inputParser } from './workflow-input.ts';

const fields = { ...commonFields };

/** How well a database is protected now. */
export type DescribeDatabaseInput = Parsed<typeof fields>;

export const parseDescribeDatabaseInput = inputParser('describeDatabase', fields);

export type DescribeDatabaseResult = CommonResult & {
  repository: string;
  owner: { agent: string; installationId: string; generation: number } | null;
  timelines: number;
  backups: number;
  latest: BackupRow | null;
  freeBytes: number | null;
  /** The newest recovery test that held, and the newest backups that no test has ever recovered. */
  tested: { label: string; atMs: number; rtoMs: number } | null;
  untested: string[];
};
