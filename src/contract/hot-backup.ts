import type { BackupKind } from '../core/backup/label.ts';
import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import type { BackupCopies } from './copy-backups.ts';
import { booleanField, commonFields, inputParser, nameField, optional, type Parsed } from './input-field.ts';
import type { CommonResult, Warning } from './result.ts';
import { type Differing, lacksState, type ServerComparison } from '../core/state/server-comparison.ts';
import { missingText } from '../core/wal/continuity.ts';
import type { SegmentId } from '../core/wal/wal-offset.ts';

const fields = {
  ...commonFields,
  /** Gives the backup's end this name: a point that can be recovered by it. */
  mark: optional(nameField),
  /** Lets the server compact once its log is stored; the restart guard links back what that deletes. Default false. */
  compact: optional(booleanField),
};

/** A backup of a running server. */
export type HotBackupInput = Parsed<typeof fields>;

export const parseHotBackupInput = inputParser('hotBackup', fields);

/** Whether a server can start from the backup alone: from its whole log, from a baseline, or not. */
export type Restorable = 'from-log' | 'from-baseline' | 'no';

/** What a COMPACT has done. */
export type CompactedLog = { snapshotsCreated: number; segmentsDeleted: number };

/** How the segments were kept as they were while they were read. */
export type PinKind = LivePinKind | 'snapshot';

/** In the data directory itself, from compaction. */
export type LivePinKind = 'links' | 'descriptors';

export type BackupSummary = {
  kind: BackupKind;
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
export type HotBackupResult = CommonResult &
  Partial<BackupSummary> & {
    mark?: string | undefined;
    compacted?: CompactedLog | undefined;
    /** Absent for a database with one repository. */
    copies?: BackupCopies | undefined;
  };

/** A start from the log takes changes back that the server shows. */
export const STATE_OLDER = 'state-older';

const LASTING = ['wal-gap', 'state-lost', 'state-lacking', 'state-unshown', STATE_OLDER, 'not-compared'];

/** Whether a server can start from a log with everything in it that its own server showed. */
export function restorableOf(log: Restorable, compared: ServerComparison | null): Restorable {
  return compared !== null && lacksState(compared) ? 'no' : log;
}

/** What a backup warns of whose log has holes. */
export function gapWarnings(segments: readonly SegmentId[], baseline: SegmentId | undefined): Warning[] {
  const missing = missingText(segments, baseline);
  if (missing === undefined) return [];
  return [
    {
      code: 'wal-gap',
      message: `the log lacks ${missing}, deleted before a backup had stored them: no server can start from this backup with everything in it`,
    },
  ];
}

/** What an earlier backup holds and the server does not show. */
export type LostState = { label: string; machines: Differing; instances: Differing };

type Rescued = { database: string; /** The first segment behind the baseline. */ before: number; machines: number; instances: number };

/** What is said of a backup whose log begins with what its server showed. */
export function logRescued({ database, before, machines, instances }: Rescued): Warning {
  const lost = `the log that was there before segment ${before} is lost, or does not give what the server shows`;
  const holds = `this backup begins with what the server showed instead (${machines} machines and ${instances} instances)`;
  const next = `The server itself would lose it at its next start: run \`rstow rebase ${database}\``;
  return { code: 'log-rescued', message: `${lost}: ${holds}. ${next}` };
}

/** Nothing, if nothing is. */
export function stateLost({ label, machines, instances }: LostState): Warning[] {
  const named = [lostText(instances, 'instances'), lostText(machines, 'machines')].filter((text) => text !== undefined);
  if (named.length === 0) return [];
  const holds = `backup ${label} holds ${named.join(' and ')} that the server does not show, and no record says that they were deleted`;
  const why = 'they were deleted by log that is lost, or a start without that log has lost them';
  return [{ code: 'state-lost', message: `${holds}: ${why}. \`rstow extract\` and \`rstow restore\` have them from that backup` }];
}

function lostText({ count, first }: Differing, what: string): string | undefined {
  if (count === 0) return undefined;
  return `${count} ${what} (${first.join(', ')}${count > first.length ? ', …' : ''})`;
}

/** What bears on everybody who relies on the backup later: a verification and a recovery test repeat it. */
export function lastingWarnings(warnings: readonly Warning[]): Warning[] {
  return warnings.filter(({ code }) => LASTING.includes(code));
}

/** What is to be said of a backup whose log says something other than its server did. */
export function comparisonWarnings(compared: ServerComparison): Warning[] {
  const { shown, lacking, outdated, unshown, older } = compared;
  const of = `of the ${shown} instances that the server showed`;
  const warnings: (Warning | undefined)[] = [
    differing(lacking, 'state-lacking', (named) => `the log of this backup lacks ${named}, ${of}: a restore would lose them`),
    differing(outdated, 'state-lacking', (named) => `the log of this backup lacks the last change of ${named}, ${of}`),
    differing(unshown, 'state-unshown', (named) => `the log holds ${named} that the server did not show: a restore brings them back`),
    differing(older, STATE_OLDER, (named) => `${takesBack} the last change of ${named}, ${of}: an older one stands behind it in the log`),
  ];
  return warnings.filter((warning) => warning !== undefined);
}

const takesBack = 'a server that starts from this backup, or starts again, takes back';

function differing(found: Differing | undefined, code: string, sentence: (named: string) => string): Warning | undefined {
  if (found === undefined || found.count === 0) return undefined;
  const names = found.first.length === 0 ? '' : ` (${found.first.join(', ')}${found.count > found.first.length ? ', …' : ''})`;
  return { code, message: sentence(`${found.count}${names}`) };
}
