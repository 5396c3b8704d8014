import { createInterface } from 'node:readline/promises';
import { parseRestoreInput, type RestoreInput, type RestoreResult } from '../../contract/restore.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Cli, CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, countText, durationText, holdsText, logText, whenText } from '../figures.ts';
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

const RESTORE: RunKind<'restore'> = { type: 'restore', isQuery: false, resultLines: restoreLines };

type RestoreOptions = RunOptions &
  InputOptions &
  KeyOptions & {
    backup: string;
    toDir?: string;
    toAgent?: string;
    dryRun?: boolean;
    withoutTemporal?: boolean;
    yes?: boolean;
    discardNewer?: boolean;
    config?: string;
  };

export const restoreCommand: CliCommand = {
  name: 'restore',
  description: 'restore a backup, in place or elsewhere',
  run: RESTORE,
  define: (command, cli) => {
    addKeyOption(addRunOptions(command))
      .option('--backup <label>', '"latest", or a label or its first characters', 'latest')
      .option('--to-dir <dir>', 'restore into this directory instead of in place')
      .option('--to-agent <agent>', 'the agent of the host that has --to-dir')
      .option('--dry-run', 'only make and show the plan')
      .option('--yes', 'in place: do not ask for the name of the database')
      .option('--discard-newer', 'in place: continue if newer data cannot be stored first')
      .option('--without-temporal', 'restore on this host, by this process, if there is no Temporal')
      .option('--config <file>', `with --without-temporal: the agent’s; ${CONFIG_OPTION_HELP}`)
      .action(async (database: string, options: RestoreOptions) => cli.exit(await restore(database, options, cli)));
  },
};

/** Returns the exit code. */
async function restore(database: string, options: RestoreOptions, { settings }: Cli): Promise<number> {
  const input = inputOf(database, options);
  const { withoutTemporal, config = settings.configFile, json } = options;
  const isJson = json === true;
  const run = async (asked: RestoreInput): Promise<number> => {
    if (withoutTemporal === true) return restoreWithoutTemporal(asked, { configFile: config, isJson });
    const key = replacesData(asked) ? await operatorKey(options, settings) : undefined;
    return execute({ ...RESTORE, input: asked, key }, options);
  };
  if (replacesData(input) && options.yes !== true) {
    await confirmReplacement({ database, isJson, showPlan: () => run({ ...input, dryRun: true }) });
  }
  return run(input);
}

/** Fails: invalid-input. */
function inputOf(database: string, options: RestoreOptions): RestoreInput {
  const { backup, toDir, toAgent, dryRun, discardNewer, withoutTemporal, wait } = options;
  if (toAgent !== undefined && toDir === undefined) {
    throw new RstowError('invalid-input', '--to-agent needs --to-dir, the directory on that agent’s host to restore into');
  }
  const to = toDir === undefined ? undefined : { dataDir: toDir, agent: toAgent };
  const input = parseRestoreInput([{ ...commonInput(database, options), backup, to, dryRun, discardNewer }]);
  if (withoutTemporal === true && (toAgent !== undefined || wait === false)) {
    throw new RstowError(
      'invalid-input',
      '--without-temporal restores on this host and in this process, so it takes neither --to-agent nor --no-wait',
    );
  }
  return input;
}

const replacesData = ({ to, dryRun }: RestoreInput): boolean => to === undefined && dryRun !== true;

type Place = { configFile: string | undefined; isJson: boolean };

async function restoreWithoutTemporal(input: RestoreInput, { configFile, isJson }: Place): Promise<number> {
  const output = createOutput(isJson);
  const { restoreLocally } = await import('../../local/local-run.ts');
  if (input.to === undefined && input.dryRun !== true) output.note(alone(input.database));
  const result: RestoreResult = await restoreLocally({ configFile, input, watcher: createLocalWatcher(output) });
  return printResult(output, restoreLines, result);
}

function alone(database: string): string {
  return `warning: without Temporal, rstow can't see whether another run is at work on "${database}"; make sure that none is`;
}

export function restoreLines(result: RestoreResult): string[] {
  const { label, extents } = result;
  if (label === undefined || extents === undefined) return [`${result.outcome}: nothing was restored to ${result.database}`];
  return factLines([
    [result.dryRun === true ? 'would restore' : 'restored', label],
    ['to', `${result.dataDir ?? ''} on ${result.agent ?? ''}`],
    ...replacedFacts(result),
    ['timeline', `${result.fromTimeline ?? ''} → ${result.timeline ?? 'a new one'}`],
    ['log', logText(extents)],
    ['holds', holdsText(result)],
    ['state digest', result.stateDigest ?? ''],
    ['plan', result.planKey ?? ''],
    ['plan hash', result.planHash ?? ''],
    ...endFacts(result),
  ]);
}

/** What is replaced, and how that is brought back. */
function replacedFacts(result: RestoreResult): Fact[] {
  const { replaces, savedAs, instances = 0, database, repository = '' } = result;
  if (replaces === undefined) return [];
  if (replaces === null) return [['replaces', 'nothing: there is no log in place']];
  const before = replaces.instances === null ? 'unknown' : countText(replaces.instances);
  const { unsavedRecords, lastWriteAtMs, fault } = replaces;
  const unsaved = `${fault === undefined ? '' : 'up to '}${countedText(unsavedRecords, 'record')}, last written ${whenText(lastWriteAtMs)}`;
  return [
    ['instances', `${before} → ${countText(instances)}`],
    ['in no backup', unsavedRecords === 0 ? nothingText(fault) : `${unsaved}${fateText(result)}`],
    ['to undo', savedAs === undefined ? undefined : `rstow restore ${database} --repository ${repository} --backup ${savedAs}`],
  ];
}

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
