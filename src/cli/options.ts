/** Arguments and options that several commands share, and how their values are read. */
import { hostname, userInfo } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { WorkflowType } from '../contract/workflow-types.ts';
import type { OperatorKey } from '../worker/operator-key.ts';
import type { HostSettings } from './command.ts';
import type { RunOptions, RunRequest } from './execute-run.ts';

export const CONFIG_OPTION_HELP = 'default: RSTOW_CONFIG, /etc/rstow/rstow.yaml, or that of `rstow up`';

export type InputOptions = { repository?: string; reason?: string };

/** What every command takes that starts a run on a database. */
export function addRunOptions(command: Command): Command {
  return addDatabaseOptions(command).option('--repository <name>', 'a repository of the database (default: the primary)');
}

/** The same, of one that is about several repositories. */
export function addDatabaseOptions(command: Command): Command {
  command
    .argument('<database>', 'its name in the agents’ config files')
    .option('--reason <text>', 'why, for the record')
    .option('--wait', 'wait for the end and show progress (default)')
    .option('--no-wait', 'print the workflow id and return');
  return addTemporalOptions(addJsonOption(command));
}

/** What a command takes that is about one run. */
export function addRunArgument(command: Command): Command {
  return command.argument('<run>', 'its id, or a beginning that only it has, as `rstow runs` shows it');
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'print lines of JSON');
}

export function addTemporalOptions(command: Command): Command {
  return command
    .option('--address <host:port>', 'of Temporal (default: TEMPORAL_ADDRESS, temporal.toml, then the config file of this host)')
    .option(
      '--namespace <name>',
      'of Temporal (default: TEMPORAL_NAMESPACE, temporal.toml, then the config file of this host, unless the address is named elsewhere)',
    )
    .addOption(new Option('--ui <url>', 'of Temporal’s web UI, for links').env('RSTOW_UI'));
}

export type KeyOptions = { keyFile?: string };

export function addKeyOption(command: Command): Command {
  const help = 'an operator’s private key to sign with; default: that of `rstow up`';
  return command.addOption(new Option('--key-file <file>', help).env('RSTOW_KEY_FILE'));
}

/** What a command signs with; undefined if nobody named a key and this user has none. Fails: invalid-config. */
export async function operatorKey({ keyFile }: KeyOptions, { configFile, stateDir }: HostSettings): Promise<OperatorKey | undefined> {
  const { findOperatorKey } = await import('../worker/operator-key.ts');
  return findOperatorKey({ keyFile, configFile, stateDir });
}

/** Temporal's client loads only if a command needs it. Returns the exit code. Fails: as the run does. */
export async function execute<T extends WorkflowType>(request: RunRequest<T>, options: RunOptions): Promise<number> {
  const { executeRun } = await import('./execute-run.ts');
  return executeRun(request, options);
}

/** The fields of an input that are the same for every type. */
export function commonInput(database: string, { repository, reason }: InputOptions): object {
  return { database, requestedBy: requester(), repository, reason };
}

/** Who asks or decides, for the record. */
export function requester(): string {
  return `${userName()}@${hostname()}`;
}

/** A container's user need not have a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,10}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

export function positiveNumber(text: string): number {
  if (wholeNumber(text) === 0) throw new InvalidArgumentError('It must be at least 1.');
  return Number(text);
}

const UNITS_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const INTERVAL_MIN_MS = 10_000;
const INTERVAL_MAX_MS = 366 * 86_400_000;

/** `15m`, `1h`, `90s`, `1d`, or `never`, which is undefined. */
export function parseInterval(text: string): number | undefined {
  if (text === 'never') return undefined;
  const [, count, unit = ''] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? [];
  const intervalMs = Number(count) * (UNITS_MS[unit] ?? Number.NaN);
  if (intervalMs >= INTERVAL_MIN_MS && intervalMs <= INTERVAL_MAX_MS) return intervalMs;
  throw new InvalidArgumentError('It must look like 15m, 1h or 1d and be at least 10s, or be "never".');
}

/** The text itself, for a command line that is printed again. */
export function checkedInterval(text: string): string {
  parseInterval(text);
  return text;
}
