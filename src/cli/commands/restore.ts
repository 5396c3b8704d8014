import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import {
  parsePointInTimeRecoveryInput,
  type PointInTimeRecoveryInput,
  type PointInTimeRecoveryResult,
} from '../../contract/point-in-time-recovery.ts';
import { parseRestoreInput, type RestoreInput, type RestoreResult } from '../../contract/restore.ts';
import type { CommonResult } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { RecoveryTarget } from '../../core/recovery/target.ts';
import type { LocalRecovery } from '../../local/local-run.ts';
import type { OperatorKey } from '../../worker/operator-key.ts';
import type { Cli, CliCommand, HostSettings, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, countText, durationText, holdsText, logText, sizeText, timeText, whenText } from '../figures.ts';
import { explanationFacts, pointFacts } from '../point-text.ts';
import { createLocalWatcher } from '../progress.ts';
import {
  addKeyOption,
  addRunOptions,
  commonInput,
  CONFIG_OPTION_HELP,
  execute,
  type InputOptions,
  type KeyOptions,
  operatorKey,
} from '../options.ts';
import { createOutput, type Fact, factLines, printResult } from '../output.ts';
import { wholeText } from '../../core/text/wrapped.ts';
import { RESTORE_VOLUME, restoreVolume } from './restore-volume.ts';
import { addTargetOptions, type TargetOptions, targetOf } from '../target-options.ts';

const RESTORE: RunKind<'restore'> = { type: 'restore', isQuery: false, resultLines: restoreLines };
const RECOVERY: RunKind<'pointInTimeRecovery'> = { type: 'pointInTimeRecovery', isQuery: false, resultLines: pointLines };

type RestoreOptions = RecoveryOptions & TargetOptions & { backup?: string; toDir?: string; toAgent?: string; toDataset?: string };

export const restoreCommand: CliCommand = {
  name: 'restore',
  description: 'restore a backup or any point between backups, in place or elsewhere',
  runs: [RESTORE, RECOVERY, RESTORE_VOLUME],
  define: (command, cli) => {
    addRecoveryOptions(addTargetOptions(addKeyOption(addRunOptions(command))))
      .option('--backup <label>', '"latest", or a label or its first characters (default: latest)')
      .option('--to-dir <dir>', 'restore into this directory instead of in place')
      .option('--to-dataset <dataset>', 'receive the stream of a ZFS backup as this new dataset')
      .option('--to-agent <agent>', 'the agent of the host that has --to-dir or --to-dataset')
      .action(async (database: string, options: RestoreOptions) => cli.exit(await restore(database, options, cli)));
  },
};

/** How data in place are replaced. */
export function addRecoveryOptions(command: Command): Command {
  return command
    .option('--dry-run', 'only make and show the plan')
    .option('--yes', 'in place: do not ask for the name of the database')
    .option('--discard-newer', 'in place: continue if newer data cannot be stored first')
    .option('--without-temporal', 'restore on this host, by this process, if there is no Temporal')
    .option('--config <file>', `with --without-temporal: the agent’s; ${CONFIG_OPTION_HELP}`);
}

/** Returns the exit code. */
async function restore(database: string, options: RestoreOptions, { settings }: Cli): Promise<number> {
  const { toDataset } = options;
  const target = targetOf(options);
  if (toDataset !== undefined && target === undefined) return restoreVolume(database, { ...options, toDataset });
  checkPlace(options);
  return target === undefined ? restoreBackup(database, options, settings) : recoverPoint(database, { ...options, target }, settings);
}

async function restoreBackup(database: string, options: RestoreOptions, settings: HostSettings): Promise<number> {
  const { backup = 'latest' } = options;
  const input = parseRestoreInput([{ ...recoveryInput(database, options), backup }]);
  const run = (asked: RestoreInput, key: OperatorKey | undefined): Promise<number> => execute({ ...RESTORE, input: asked, key }, options);
  const alone = async (asked: RestoreInput, local: Omit<LocalRecovery, 'input'>): Promise<RestoreResult> => {
    const { restoreLocally } = await import('../../local/local-run.ts');
    return restoreLocally({ ...local, input: asked });
  };
  return carryOut({ input, options, settings }, { run, alone, lines: restoreLines });
}

async function recoverPoint(
  database: string,
  { target, ...options }: RestoreOptions & { target: RecoveryTarget },
  settings: HostSettings,
): Promise<number> {
  if (options.backup !== undefined) throw new RstowError('invalid-input', '--backup and the options for a point exclude each other');
  const { timeline } = options;
  const input = parsePointInTimeRecoveryInput([{ ...recoveryInput(database, options), target, timeline }]);
  const run = (asked: PointInTimeRecoveryInput, key: OperatorKey | undefined): Promise<number> =>
    execute({ ...RECOVERY, input: asked, key }, options);
  const alone = async (asked: PointInTimeRecoveryInput, local: Omit<LocalRecovery, 'input'>): Promise<PointInTimeRecoveryResult> => {
    const { recoverPointLocally } = await import('../../local/local-run.ts');
    return recoverPointLocally({ ...local, input: asked });
  };
  return carryOut({ input, options, settings }, { run, alone, lines: pointLines });
}

/** What a command takes that replaces data in place, or may. */
export type RecoveryOptions = RunOptions &
  InputOptions &
  KeyOptions & { dryRun?: boolean; withoutTemporal?: boolean; yes?: boolean; discardNewer?: boolean; config?: string };

type Recovery = { database: string; to?: object | undefined; dryRun?: boolean | undefined };
type Asked<Input> = { input: Input; options: RecoveryOptions; settings: HostSettings };
type Ways<Input, Result> = {
  run: (input: Input, key: OperatorKey | undefined) => Promise<number>;
  alone: (input: Input, local: Omit<LocalRecovery, 'input'>) => Promise<Result>;
  lines: (result: Result) => string[];
};

/** Through Temporal, or by this process alone; in place only once a person has agreed. */
export async function carryOut<Input extends Recovery, Result extends CommonResult>(
  { input, options, settings }: Asked<Input>,
  { run, alone, lines }: Ways<Input, Result>,
): Promise<number> {
  const { withoutTemporal, config = settings.configFile, json, yes } = options;
  const { database } = input;
  const isJson = json === true;
  const output = createOutput(isJson);
  const start = async (asked: Input): Promise<number> => {
    if (withoutTemporal !== true) return run(asked, replacesData(asked) ? await operatorKey(options, settings) : undefined);
    if (replacesData(asked)) output.note(aloneWarning(database));
    return printResult(output, lines, await alone(asked, { configFile: config, watcher: createLocalWatcher(output) }));
  };
  if (replacesData(input) && yes !== true) {
    await confirmReplacement({ database, isJson, showPlan: () => start({ ...input, dryRun: true }) });
  }
  return start(input);
}

function recoveryInput(database: string, options: RestoreOptions): object {
  const { toDir, toAgent, dryRun, discardNewer } = options;
  const to = toDir === undefined ? undefined : { dataDir: toDir, agent: toAgent };
  return { ...commonInput(database, options), to, dryRun, discardNewer };
}

/** Fails: invalid-input. */
function checkPlace({ toAgent, toDir, toDataset, withoutTemporal, wait }: RestoreOptions): void {
  if (toDataset !== undefined) throw new RstowError('invalid-input', '--to-dataset takes a whole backup, and no point');
  if (toAgent !== undefined && toDir === undefined) {
    throw new RstowError('invalid-input', '--to-agent needs --to-dir, the directory on that agent’s host to restore into');
  }
  if (withoutTemporal === true && (toAgent !== undefined || wait === false)) {
    throw new RstowError(
      'invalid-input',
      '--without-temporal restores on this host and in this process, so it takes neither --to-agent nor --no-wait',
    );
  }
}

const replacesData = ({ to, dryRun }: Recovery): boolean => to === undefined && dryRun !== true;

function aloneWarning(database: string): string {
  return `warning: without Temporal, rstow can't see whether another run is at work on "${database}"; make sure that none is`;
}

/** The same, and where the point lies. */
export function pointLines(result: PointInTimeRecoveryResult): string[] {
  const { point, explanation } = result;
  const [backup, ...others] = restoreFacts(result) ?? [];
  if (point === undefined || backup === undefined) return restoreLines(result);
  return factLines([backup, ...pointFacts(point), ...others, ...explanationFacts(explanation)]);
}

export function restoreLines(result: RestoreResult): string[] {
  const facts = restoreFacts(result);
  return facts === undefined ? [`${result.outcome}: nothing was restored to ${result.database}`] : factLines(facts);
}

/** The backup first. Undefined if the run has restored and planned nothing. */
export function restoreFacts(result: RestoreResult): Fact[] | undefined {
  const { label, extents } = result;
  if (label === undefined || extents === undefined) return undefined;
  return [
    [result.dryRun === true ? 'would restore' : 'restored', label],
    ['to', `${result.dataDir ?? ''} on ${result.agent ?? ''}`],
    ...replacedFacts(result),
    ['timeline', `${result.fromTimeline ?? ''} → ${result.timeline ?? 'a new one'}`],
    ['log', logText(extents)],
    ['read from', servedText(result)],
    ['archive', archiveText(result)],
    ['baseline', baselineText(result)],
    ['holds', holdsText(result)],
    ['state digest', result.stateDigest ?? ''],
    ['plan', result.planKey ?? ''],
    ['plan hash', result.planHash ?? ''],
    ...endFacts(result),
  ];
}

/** Only if not all of it came from one repository. */
function servedText({ served = [] }: RestoreResult): string | undefined {
  if (served.length < 2) return undefined;
  return served.map(({ repository, sizeBytes }) => `${repository} (${sizeText(sizeBytes)})`).join(', ');
}

/** Whoever restores the newest backup may well want what came after it. */
function archiveText({ archivedEnd, database }: RestoreResult): string | undefined {
  if (archivedEnd === undefined) return undefined;
  return wholeText(`has more, up to offset ${archivedEnd}: rstow restore ${database} --target-latest`);
}

function baselineText({ baseline }: RestoreResult): string | undefined {
  if (baseline === undefined) return undefined;
  const { segment, replacedBytes, writtenBeforeMs, sizeBytes } = baseline;
  const size = sizeBytes === undefined ? '' : `, ${sizeText(sizeBytes)}`;
  const replaced = `${sizeText(replacedBytes)} of log, written before ${timeText(writtenBeforeMs)}`;
  return `segment ${Number.parseInt(segment, 16)}${size}: in the place of ${replaced}, which the server does not replay any more`;
}

/** What is replaced, and how that is brought back. */
function replacedFacts(result: RestoreResult): Fact[] {
  const { replaces, savedAs, instances = 0 } = result;
  if (replaces === undefined) return [];
  if (replaces === null) return [['replaces', 'nothing: there is no log in place']];
  const before = replaces.instances === null ? 'unknown' : countText(replaces.instances);
  const { unsavedRecords, lastWriteAtMs, fault } = replaces;
  const unsaved = `${fault === undefined ? '' : 'up to '}${countedText(unsavedRecords, 'record')}, last written ${whenText(lastWriteAtMs)}`;
  return [
    ['instances', `${before} → ${countText(instances)}`],
    ['in no backup', unsavedRecords === 0 ? nothingText(fault) : `${unsaved}${fateText(result)}`],
    ['saved as', savedAs],
    ['to undo', undoText(result)],
  ];
}

/** The safety copy is enough, and so is the backup. */
function undoText({ database, repository = '', runId, replacedAt, savedAs }: RestoreResult): string | undefined {
  if (replacedAt === undefined && savedAs === undefined) return undefined;
  // A run that was reset keeps what an earlier execution of it has left.
  const [, run = runId] = /\/restores\/([^/]+)\//.exec(replacedAt ?? '') ?? [];
  return wholeText(`rstow undo ${database} --repository ${repository} --restore ${run.slice(0, RUN_SHOWN).replace(/-$/, '')}`);
}

/** Of a run's id, so much is unique. A run without Temporal has a word before it. */
const RUN_SHOWN = 14;

/** Of a damaged log nobody knows what stood there. */
function nothingText(fault: NonNullable<RestoreResult['replaces']>['fault']): string {
  return fault === undefined ? 'nothing' : `nothing that can be read: ${fault.code}: ${fault.sentence}`;
}

/** What becomes of the records that no backup holds. */
function fateText({ dryRun, savedAs }: RestoreResult): string {
  if (dryRun === true) return ': the restore stores them first';
  return savedAs === undefined ? '' : ': stored first';
}

function endFacts({ rehearsal, replacedAt, replacedKeptUntilMs, downtimeMs, firstBackup, durationMs }: RestoreResult): Fact[] {
  return [
    ['rehearsal', rehearsal],
    ['replaced data', replacedAt === undefined ? undefined : `${replacedAt}, kept until ${whenText(replacedKeptUntilMs ?? 0)}`],
    ['down for', downtimeMs === undefined ? undefined : durationText(downtimeMs)],
    ['first backup', firstBackup?.label],
    ['took', durationMs === undefined ? undefined : durationText(durationMs)],
  ];
}

type Replacement = { database: string; isJson: boolean; /** Prints what will be replaced. */ showPlan: () => Promise<unknown> };

/**
 * Returns once a person at this terminal has seen the plan and typed the database's name.
 * Fails: invalid-input (there is no terminal to ask on), cancelled.
 */
async function confirmReplacement({ database, isJson, showPlan }: Replacement): Promise<void> {
  if (isJson || !process.stdin.isTTY || !process.stderr.isTTY) {
    throw new RstowError(
      'invalid-input',
      'a restore in place replaces the data of the database, so without a terminal to ask on it needs --yes',
    );
  }
  await showPlan();
  const typed = await ask(`To replace its data, type the name of the database, ${database}: `);
  if (typed?.trim() === database) return;
  throw new RstowError('cancelled', 'the name of the database was not typed, so nothing was touched');
}

/** Undefined after Ctrl-C or Ctrl-D. */
async function ask(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new AbortController();
  lines.once('close', () => closed.abort());
  try {
    return await lines.question(question, { signal: closed.signal });
  } catch (error) {
    if (closed.signal.aborted) return undefined;
    throw error;
  } finally {
    lines.close();
  }
}
