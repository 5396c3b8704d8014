/** Instants of a run at which its agent is killed, told from the disk and from what Temporal says is being done. */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { StopNote } from '../../../src/formats/data-directory.ts';
import { planKey } from '../../../src/core/repository/object-keys.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';

/** A run as a kill point sees it. */
export type WatchedRun = {
  stack: DatabaseStack;
  runId: string;
  /** Pieces that were there when the run began. */
  piecesBefore: ReadonlySet<string>;
  /** The wal/ that was in place when the run began. */
  oldInode: number;
  /** The activity that is being done, as Temporal knows. */
  activity: () => string | undefined;
};

/** `isFast`: passes in a few milliseconds, so it is looked for without a pause. */
export type KillPoint = { name: string; isFast?: true; reached: (run: WatchedRun) => boolean };

export const HOT_BACKUP_POINTS: readonly KillPoint[] = [
  { name: 'its label is taken', reached: (run) => run.activity() === 'prepareBackup' },
  { name: 'the first pin is linked', isFast: true, reached: (run) => pins(run).length > 0 },
  { name: 'the fence is stored', reached: (run) => hasPlan(run, 'fence') },
  { name: 'a piece is half staged', isFast: true, reached: (run) => hasPlan(run, 'fence') && stagedBytes(run) > 0 },
  { name: 'a piece has no sidecar yet', isFast: true, reached: (run) => newPieces(run).some((piece) => !existsSync(sidecarOf(piece))) },
  { name: 'one piece is complete, others are not', isFast: true, reached: (run) => newPieces(run).length >= 1 && !hasPlan(run, 'extents') },
  { name: 'all pieces are stored', isFast: true, reached: (run) => hasPlan(run, 'extents') },
  { name: 'the state is being digested', reached: (run) => run.activity() === 'digestState' },
  { name: 'the manifest is written', isFast: true, reached: (run) => hasManifest(run) && pins(run).length > 0 },
];

export const RESTORE_POINTS: readonly KillPoint[] = [
  { name: 'its plan is stored', reached: (run) => hasPlan(run, 'restore') },
  { name: 'one segment is staged, the next is half', isFast: true, reached: (run) => hasSegment(staged(run, 'wal')) && hasPartial(run) },
  { name: 'all is staged but not yet marked', isFast: true, reached: (run) => hasSegment(staged(run, 'wal')) && !hasPartial(run) },
  { name: 'the timeline is marked', isFast: true, reached: (run) => existsSync(join(staged(run, 'wal'), 'rstow-timeline.json')) },
  { name: 'the rehearsal is set up', isFast: true, reached: (run) => existsSync(staged(run, 'rehearsal')) },
  { name: 'the rehearsal server runs', reached: (run) => rehearsalServerIsRecorded(run) },
  { name: 'the stop note is written', isFast: true, reached: (run) => phase(run) === 'stopping' },
  { name: 'no server can start', isFast: true, reached: (run) => phase(run) === 'stopping' && isBlocked(run) },
  { name: 'the tail is being stored', isFast: true, reached: (run) => phase(run) === 'stopping' && isBlocked(run) && pins(run).length > 0 },
  { name: 'the tail is a backup', isFast: true, reached: (run) => phase(run) === 'stopping' && isBlocked(run) && hasManifest(run) },
  { name: 'the swap begins', isFast: true, reached: (run) => phase(run) === 'swapping' },
  { name: 'there is no wal/', isFast: true, reached: (run) => walInode(run) === undefined && phase(run) !== undefined },
  { name: 'the new wal/ is in place', isFast: true, reached: (run) => isNewInPlace(run) && isBlocked(run) },
  { name: 'the new server may start', isFast: true, reached: (run) => isNewInPlace(run) && phase(run) === 'starting' && !isBlocked(run) },
  {
    name: 'the new server is started',
    isFast: true,
    reached: (run) => isNewInPlace(run) && phase(run) === 'starting' && serverIsRecorded(run),
  },
  { name: 'the note is gone', isFast: true, reached: (run) => isNewInPlace(run) && phase(run) === undefined },
  { name: 'the restored state is compared', reached: (run) => run.activity() === 'verifyLive' },
  { name: 'what was staged is cleared', reached: (run) => run.activity() === 'clearStaging' },
];

export const COLD_BACKUP_POINTS: readonly KillPoint[] = [
  { name: 'the log is stored ahead', reached: (run) => run.activity() === 'storeAhead' },
  ...['the stop note is written', 'no server can start', 'the tail is being stored'].map((name) => pointOf(RESTORE_POINTS, name)),
  { name: 'the rest is stored', isFast: true, reached: (run) => phase(run) === 'stopping' && hasPlan(run, 'fence') },
  { name: 'the server may start again', isFast: true, reached: (run) => phase(run) === 'starting' && !isBlocked(run) },
  { name: 'the server is up again', isFast: true, reached: (run) => phase(run) === undefined && hasPlan(run, 'fence') },
  { name: 'the state is digested', reached: (run) => run.activity() === 'digestState' },
  pointOf(HOT_BACKUP_POINTS, 'the manifest is written'),
];

const ownRebasePoints: readonly KillPoint[] = [
  { name: 'its own backup is written', isFast: true, reached: (run) => hasManifest(run) && !hasPlan(run, 'restore') },
  { name: 'the segments are linked', isFast: true, reached: (run) => hasSegment(staged(run, 'wal')) },
  { name: 'the baseline is being made', isFast: true, reached: (run) => names(staged(run, 'baseline')).length > 0 },
  { name: 'what was written is carried over', reached: (run) => run.activity() === 'carryOver' },
];

const REBASE_NAMES = [
  'its plan is stored',
  'the timeline is marked',
  'the rehearsal server runs',
  'the stop note is written',
  'no server can start',
  'the tail is being stored',
  'the swap begins',
  'there is no wal/',
  'the new wal/ is in place',
  'the new server may start',
  'the new server is started',
  'the note is gone',
  'the restored state is compared',
  'what was staged is cleared',
];

export const REBASE_POINTS: readonly KillPoint[] = [...ownRebasePoints, ...REBASE_NAMES.map((name) => pointOf(RESTORE_POINTS, name))];

export const VERIFY_BACKUP_POINTS: readonly KillPoint[] = [
  {
    name: 'a segment is staged for replay',
    isFast: true,
    reached: (run) => hasSegment(join(scratch(run), 'wal')),
  },
];

export const IMPORT_POINTS: readonly KillPoint[] = [
  { name: 'a segment is unpacked', isFast: true, reached: (run) => hasSegment(join(scratch(run), 'archive/log-0')) },
  { name: 'the log is judged', isFast: true, reached: (run) => hasPlan(run, 'imported') },
  pointOf(HOT_BACKUP_POINTS, 'a piece has no sidecar yet'),
  { name: 'the import’s manifest is written', isFast: true, reached: (run) => hasManifest(run) && existsSync(scratch(run)) },
  { name: 'it is read back', reached: (run) => run.activity() === 'verifyStoredBackup' },
];

export const TEST_RECOVERY_POINTS: readonly KillPoint[] = [
  { name: 'a segment is staged for the test', isFast: true, reached: (run) => hasSegment(join(scratch(run), 'data/wal')) },
  { name: 'the test’s server runs', reached: (run) => existsSync(join(scratch(run), 'data/service/service.json')) },
];

/** The point of that name. */
export function pointOf(points: readonly KillPoint[], name: string): KillPoint {
  const point = points.find((candidate) => candidate.name === name);
  if (point === undefined) throw new Error(`there is no kill point "${name}"`);
  return point;
}

export function pieceFiles(stack: DatabaseStack): string[] {
  const folder = join(stack.repositoryDir, 'databases', DATABASE, 'wal');
  return filesBelow(folder).filter((path) => path.endsWith('.wal.zst'));
}

/** The phase of the run's stop note; undefined where there is none. */
export function stopPhase(stack: DatabaseStack): StopNote['phase'] | undefined {
  return unlessAbsent(() => (JSON.parse(readFileSync(join(stack.dataDir, '.rstow/stop.json'), 'utf8')) as StopNote).phase);
}

export function inodeOf(path: string): number | undefined {
  return unlessAbsent(() => statSync(path).ino);
}

/** Whether a plain file keeps servers from starting. */
export function isServerBlocked(stack: DatabaseStack): boolean {
  return unlessAbsent(() => lstatSync(join(stack.dataDir, 'snapshots')).isFile()) ?? false;
}

function phase({ stack }: WatchedRun): StopNote['phase'] | undefined {
  return stopPhase(stack);
}

function isBlocked({ stack }: WatchedRun): boolean {
  return isServerBlocked(stack);
}

function walInode({ stack }: WatchedRun): number | undefined {
  return inodeOf(stack.walDir);
}

function isNewInPlace(run: WatchedRun): boolean {
  const inode = walInode(run);
  return inode !== undefined && inode !== run.oldInode;
}

function serverIsRecorded({ stack }: WatchedRun): boolean {
  return existsSync(join(stack.folder, 'service/service.json'));
}

/** Each attempt has a folder of its own. */
function rehearsalServerIsRecorded(run: WatchedRun): boolean {
  const folder = staged(run, 'rehearsal');
  return names(folder).some((attempt) => existsSync(join(folder, attempt, 'service/service.json')));
}

function scratch({ stack, runId }: WatchedRun): string {
  return join(stack.folder, 'agent/scratch', runId);
}

export function staged({ stack, runId }: WatchedRun, part: 'wal' | 'rehearsal' | 'baseline'): string {
  return join(stack.dataDir, '.rstow/restores', runId, part);
}

export function hasPartial(run: WatchedRun): boolean {
  return names(staged(run, 'wal')).some((name) => name.endsWith('.partial'));
}

export function hasSegment(folder: string): boolean {
  return names(folder).some((name) => name.endsWith('.wal'));
}

function pins({ stack, runId }: WatchedRun): string[] {
  const folder = join(stack.dataDir, '.rstow/pins');
  return names(folder).flatMap((timeline) => names(join(folder, timeline, `run-${runId}`)));
}

export function hasPlan({ stack, runId }: WatchedRun, name: string): boolean {
  // A run may have decided it for one history after another.
  const decided = names(dirname(join(stack.repositoryDir, planKey(DATABASE, runId, name))));
  return decided.some((file) => file === `${name}.json` || new RegExp(`^${name}-[0-9]{4}\\.json$`).test(file));
}

function stagedBytes({ stack }: WatchedRun): number {
  const folder = join(stack.repositoryDir, '.tmp');
  return names(folder).reduce((sum, name) => sum + (unlessAbsent(() => statSync(join(folder, name)).size) ?? 0), 0);
}

function newPieces({ stack, piecesBefore }: WatchedRun): string[] {
  return pieceFiles(stack).filter((path) => !piecesBefore.has(path));
}

function sidecarOf(piecePath: string): string {
  return piecePath.replace(/\.wal\.zst$/, '.json');
}

export function hasManifest({ stack, runId }: WatchedRun): boolean {
  const folder = join(stack.repositoryDir, 'databases', DATABASE, 'backups');
  return names(folder).some((label) => unlessAbsent(() => readFileSync(join(folder, label, 'manifest.json'), 'utf8'))?.includes(runId));
}

export function filesBelow(folder: string): string[] {
  const entries = unlessAbsent(() => readdirSync(folder, { withFileTypes: true, recursive: true })) ?? [];
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

export function names(folder: string): string[] {
  return unlessAbsent(() => readdirSync(folder)) ?? [];
}

function unlessAbsent<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
