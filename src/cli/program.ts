import { RstowError } from '../core/errors/rstow-error.ts';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { RSTOW_VERSION } from '../contract/names.ts';
import type { Cli, HostSettings } from './command.ts';
import { COMMAND_GROUPS } from './command-list.ts';
import { type CliFailure, cliFailure, failureLines, usageFailure, withUsage } from './failure.ts';
import { createOutput } from './output.ts';

/** What commander has printed, and the exit code that belongs to it. */
const PRINTED: Record<string, number> = { 'commander.helpDisplayed': 0, 'commander.version': 0, 'commander.help': 2 };

/** Runs one command line. Returns the exit code; what is no expected failure is thrown. */
export async function runCli(args: readonly string[], settings: HostSettings): Promise<number> {
  let exitCode = 0;
  const program = createProgram({ settings, exit: (code) => (exitCode = code), resultLines });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Help and version are printed already; without a command, help is the answer as well.
    if (error instanceof CommanderError && error.code in PRINTED) return PRINTED[error.code] ?? 0;
    const failure = await failureOf(error, program, args);
    if (failure === undefined) throw error;
    createOutput(args.includes('--json')).failure(failureLines(failure), failure);
    return failure.exitCode;
  }
}

/** Undefined for a bug. */
async function failureOf(error: unknown, program: Command, args: readonly string[]): Promise<CliFailure | undefined> {
  const command = program.commands.find((known) => known.name() === args[0]);
  if (error instanceof CommanderError) return usageFailure(error, command);
  const failure = await cliFailure(error, databaseOf(command));
  return failure === undefined ? undefined : withUsage(failure, command);
}

/** The database that the command line names, for hints. */
function databaseOf(command: Command | undefined): { database?: string } {
  const [database] = command?.registeredArguments[0]?.name() === 'database' ? command.args : [];
  return database === undefined ? {} : { database };
}

const resultLines: Cli['resultLines'] = (type) =>
  COMMAND_GROUPS.flatMap(({ commands }) => commands.flatMap(({ runs = [] }) => runs)).find((run) => run.type === type)?.resultLines;

/** All of the command line; docs/commands.md is made from it as well. */
export function createProgram(cli: Cli): Command {
  const program = new Command('rstow')
    .description('Durable backup and recovery for rstmdb, as Temporal workflows')
    .version(`rstow ${RSTOW_VERSION}`, '--version', 'print the version')
    .helpOption('-h, --help', 'print the help, of a command as well')
    .helpCommand(false)
    .configureHelp({ subcommandTerm, minWidthToWrap: HELP_COLUMN_MIN })
    .exitOverride()
    // What is wrong with a command line is printed as any other failure is.
    .configureOutput({ outputError: () => undefined })
    .hook('preAction', (_program, command) => {
      refuseSwallowed(command);
      return findTemporal(command, cli.settings);
    });
  for (const { title, commands } of COMMAND_GROUPS) {
    program.commandsGroup(`${title}:`);
    for (const { name, description, define } of commands) define(program.command(name).description(description), cli);
  }
  return program;
}

/** So wide a column of text is still wrapped: with commander's own 40, the list of commands would not be, in 80 columns. */
const HELP_COLUMN_MIN = 30;

/** Without `[options]`, which each has. */
function subcommandTerm(command: Command): string {
  const names = command.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`));
  return [command.name(), ...names].join(' ');
}

/** `--reason --dry-run` would be a restore in earnest, for the reason "--dry-run". Fails: invalid-input. */
function refuseSwallowed(command: Command): void {
  const flags = command.options.map(({ long }) => long);
  for (const [name, value] of Object.entries(command.opts())) {
    if (typeof value !== 'string' || !flags.includes(value)) continue;
    const flag = command.options.find((option) => option.attributeName() === name)?.long ?? name;
    throw new RstowError('invalid-input', `${flag} lacks its value: ${value} follows it`);
  }
}

/** A command that asks Temporal finds the server of this host's config, or of its `rstow up`, by itself. */
async function findTemporal(command: Command, { stateDir, configFile }: HostSettings): Promise<void> {
  const asksTemporal = command.options.some(({ long }) => long === '--address');
  if (!asksTemporal) return;
  command.setOptionValue('hostConfigFile', command.opts()['config'] ?? configFile);
  const ports = await embeddedPorts(stateDir);
  if (ports === undefined) return;
  command.setOptionValue('embeddedAddress', `127.0.0.1:${ports.port}`);
  command.setOptionValue('embeddedUi', `http://127.0.0.1:${ports.uiPort}`);
}

/** Of the Temporal server that `rstow up` has started last with this state directory; undefined if this user knows of none. */
async function embeddedPorts(stateDir: string): Promise<{ port: number; uiPort: number } | undefined> {
  try {
    const { port, uiPort } = JSON.parse(await readFile(join(stateDir, 'temporal', 'server.json'), 'utf8')) as Record<string, unknown>;
    return typeof port === 'number' && typeof uiPort === 'number' ? { port, uiPort } : undefined;
  } catch {
    return undefined;
  }
}
