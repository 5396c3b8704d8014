import { timeText } from '../core/text/figures.ts';
import type { DrawnTimeline, RecoveryWindow } from '../core/recovery/recovery-window.ts';
import type { NewestBackup, ProtectionGap, ScheduleFacts, ServerFacts } from '../core/protection/verdict.ts';
import type { CheckLevel } from '../core/backup/checks.ts';
import type { Hold } from '../core/retention/hold.ts';
import type { BackupRow, CopyState } from './list-backups.ts';
import { commonFields, inputParser, type Parsed } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = { ...commonFields };

/** So many backups are looked at, whatever the age of the database: their labels fit a payload and a person's patience. */
export const UNTESTED_MAX = 50;

/** So many histories, marks and holds are told; histories and marks are counted as well. */
export const TIMELINES_MAX = 20;
export const MARKS_MAX = 20;
export const HOLDS_MAX = 20;

/** How well a database is protected now. */
export type DescribeDatabaseInput = Parsed<typeof fields>;

export const parseDescribeDatabaseInput = inputParser('describeDatabase', fields);

/** A former owner's server that still answers: what its clients write is lost. */
export type StaleServer = {
  /** The former owner. */
  agent: string;
  address: string;
  owner: { agent: string; generation: number; claimedAtMs: number };
};

export type DescribeDatabaseResult = CommonResult & {
  repository: string;
  owner: { agent: string; installationId: string; generation: number } | null;
  timelines: number;
  /** The newest `TIMELINES_MAX` of them, the one that was begun last first. */
  history: DrawnTimeline[];
  /** Which points of the history in use can be had; null where nothing of it can be read. */
  window: RecoveryWindow | null;
  marks: number;
  /** The newest `MARKS_MAX` of them, the newest first. */
  marked: MarkedPoint[];
  /** What is kept from expiring, at most `HOLDS_MAX`. */
  held: Hold[];
  /** What each repository of the database has of the history in use, in the order of the config. */
  copies: RepositoryCopy[];
  /** Of several: how many of them have to have a new backup. */
  quorum?: number | undefined;
  backups: number;
  latest: BackupRow | null;
  /** The newest of the history in use that can be restored and has failed no check. */
  restorable: NewestBackup | null;
  freeBytes: number | null;
  /** The newest verification that held, of whichever backup. */
  lastVerified: { label: string; level: CheckLevel; atMs: number } | null;
  /** The newest recovery test that held. With `seed` it went up to a random point, the offset `end`. */
  tested: { label: string; atMs: number; rtoMs: number; seed?: number | undefined; end?: string | undefined } | null;
  /** The newest recovery test, where it failed. */
  testFailed: { label: string; atMs: number; code: string; sentence: string } | null;
  /** Those of the newest `UNTESTED_MAX` backups that no test has recovered to their end. */
  untested: string[];
  /** Of the former owners whose agents answer. */
  stale: StaleServer[];
  /** The schedule under the id that rstow gives; null where there is none. */
  schedule: ScheduleFacts | null;
  /** The last run of a backup that has come to an end, done or failed; null where Temporal knows none. */
  lastBackup: EndedBackup | null;
  /** The run that stores the log as it grows; null if none is open. */
  archive: ArchiveRun | null;
  /** What the owner's host says; null if its agent doesn't answer. */
  server: ServerFacts | null;
  /** What restores have replaced and still keep there. */
  replaced: ReplacedFolder[];
  protection: Protection;
};

/** A point that somebody has named: the end of that backup. */
export type MarkedPoint = { name: string; timeline: string; label: string; atMs: number };

/** `newest` is null where there is none; it is absent where the repository can't say, and the failure tells why. */
export type RepositoryCopy = {
  repository: string;
  newest?: NewestCopy | null | undefined;
  failure?: { code: string; sentence: string };
};

/** The newest backup of a repository, and what checks have found of that copy, as far as their names say. */
export type NewestCopy = { label: string; createdAtMs: number; end: string } & Pick<CopyState, 'verified' | 'failedAtMs'>;

/** The last run of a backup that has ended. `failure` is absent where it came to its end. */
export type EndedBackup = { workflowId: string; endedAtMs: number; failure?: { code: string; sentence: string } };

/** Where an archive is. `waitsFor` is absent if it waits for nothing, `pausedBy` if nobody has paused it, `bytesPerSecond` without a limit. */
export type ArchiveRun = {
  phase: string;
  waitsFor?: string | undefined;
  pausedBy?: string | undefined;
  bytesPerSecond?: number | undefined;
};

export type ReplacedFolder = {
  /** The restore that has replaced it. */ runId: string;
  path: string;
  sizeBytes: number;
  keptUntilMs: number;
};

/** `gaps` say what is missing and what to do; there are none where the database is protected. */
export type Protection = { isProtected: boolean; gaps: ProtectionGap[] };

/** What a person has to know of it, and to do. */
export function staleSentence(database: string, { agent, address, owner }: StaleServer): string {
  const since = timeText(owner.claimedAtMs);
  const now = `agent "${owner.agent}" has owned database "${database}" since ${since} (generation ${owner.generation})`;
  return `the server at ${address} of agent "${agent}" is stale; ${now}, so point its clients there and stop it`;
}
