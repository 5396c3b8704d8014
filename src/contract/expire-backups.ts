import { booleanField, commonFields, inputParser, optional, type Parsed, textField } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** Whether it is done; else it only says what would go. */
  apply: optional(booleanField),
  /** A backup to explain: `latest`, or a label or a label's unique beginning. */
  backup: optional(textField(200)),
  /** Whether the order of the log counts alone where the clocks disagree with it. */
  despiteClocks: optional(booleanField),
};

/** Lets the backups go that no rule of the database's retention keeps, and a day later what they alone needed. */
export type ExpireBackupsInput = Parsed<typeof fields>;

export const parseExpireBackupsInput = inputParser('expireBackups', fields);

/** Objects that earlier runs have left to go: in a dry run, those that would. */
export type RemovedObjects = {
  /** Manifests that have lain in the trash for a day. */
  manifests: number;
  /** Of the log. */
  pieces: number;
  /** Those of them whose bytes a larger one has. */
  superseded: number;
  /** What lay beside backups that are gone. */
  others: number;
  /** As they were stored. */
  bytes: number;
};

export type ExpireBackupsResult = CommonResult & {
  repository: string;
  /** Whether anything was done. */
  applied: boolean;
  /** Names the plan, an object of the repository while the run lasts. */
  planHash: string;
  /** The first 200 of each; in the order of the list of backups. */
  keep: { label: string; why: string[] }[];
  expire: { label: string; why: string }[];
  keepCount: number;
  expireCount: number;
  /** Manifests that went to the trash. */
  expired: number;
  removed: RemovedObjects;
  /** Of the backup that was asked about: why it stays, or why it goes. */
  explained?: { label: string; keep?: string[] | undefined; expire?: string | undefined } | undefined;
  durationMs: number;
};
