import { Command, CommanderError } from 'commander';
import { addRenewCommand } from './commands/renew-command.ts';
import { addAdoptCommand } from './commands/adopt-command.ts';
import { addApproveCommand, addDenyCommand } from './commands/approval-commands.ts';
import { addAgentCommand, type HostSettings } from './commands/host-commands.ts';
import { addKeygenCommand } from './commands/keygen-command.ts';
import { addRecoverCommand, addTestRecoveryCommand } from './commands/recovery-commands.ts';
import { addRepairCommand } from './commands/repair-command.ts';
import { addCancelCommand, addRunsCommand, addWatchCommand } from './commands/runs-commands.ts';
import { addRestoreCommand } from './commands/restore-command.ts';
import { addBackupCommand, addInfoCommand, addListCommand, addVerifyCommand } from './commands/run-commands.ts';
import { addUpCommand } from './commands/up-command.ts';
import { RSTOW_VERSION } from '../contract/version.ts';
import { type CliFailure, failureLines } from './failure-lines.ts';
import { embeddedPlace } from './embedded-address.ts';
import { createOutput } from './output.ts';
import { usageFailure } from './usage-failure.ts';

/** What commander has printed, and the exit code that belongs to it. */
const PRINTED: Record<string, number> = { 'commander.helpDisplayed': 0, 'commander.version': 0, 'commander.help': 2 };

/** Runs one command line. Returns the exit code; what is no expected failure is thrown. */
export async function runCli(args: readonly string[], settings: HostSettings): Promise<number> {
  let exitCode = 0;
  const program = createProgram(settings, (code) => (exitCode = code));
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

/** Undefined for a bug. Temporal's client loads here only: usage needs no more than commander. */
async function failureOf(error: unknown, program: Command, args: readonly string[]): Promise<CliFailure | undefined> {
  if (error instanceof CommanderError) return usageFailure(error, program, args);
  const { cliFailure } = await import('./failure.ts');
  return cliFailure(error, databaseOf(program, args));
}

/** The database that the command line names, for hints. */
function databaseOf(program: Command, args: readonly string[]): { database?: string } {
  const command = program.commands.find((known) => known.name() === args[0]);
  const [database] = command?.registeredArguments[0]?.name() === 'database' ? command.args : [];
  return database === undefined ? {} : { database };
}

function createProgram(settings: HostSettings, exit: (exitCode: number) => void): Command {
  const program = new Command('rstow')
    .description('Durable backup and recovery for rstmdb, as Temporal workflows')
    .version(`rstow ${RSTOW_VERSION}`, '--version', 'print the version')
    .helpOption('-h, --help', 'print the help, of a command as well')
    .helpCommand(false)
    .exitOverride()
    // What is wrong with a command line is told as any other failure is.
    .configureOutput({ outputError: () => undefined })
    .hook('preAction', (_program, command) => findEmbedded(command, settings));
  program.commandsGroup('Backups:');
  addBackupCommand(program, exit);
  addListCommand(program, exit);
  addInfoCommand(program, exit);
  addVerifyCommand(program, exit);
  addTestRecoveryCommand(program, exit);
  program.commandsGroup('Recovery:');
  addRestoreCommand(program, settings, exit);
  addRecoverCommand(program, settings, exit);
  addRepairCommand(program, exit);
  program.commandsGroup('Runs:');
  addRunsCommand(program, exit);
  addWatchCommand(program, exit);
  addCancelCommand(program, exit);
  addApproveCommand(program, settings, exit);
  addDenyCommand(program, exit);
  program.commandsGroup('Hosts:');
  addUpCommand(program, settings);
  addAgentCommand(program, settings, exit);
  addAdoptCommand(program, settings);
  addRenewCommand(program, settings);
  addKeygenCommand(program);
  return program;
}

/** A command that asks Temporal finds the server of this host's `rstow up` by itself. */
async function findEmbedded(command: Command, { stateDir }: HostSettings): Promise<void> {
  const asksTemporal = command.options.some(({ long }) => long === '--address');
  if (!asksTemporal) return;
  const place = await embeddedPlace(stateDir);
  command.setOptionValue('embeddedAddress', place?.address);
  command.setOptionValue('embeddedUi', place?.ui);
}
