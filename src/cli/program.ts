import { Command, CommanderError } from 'commander';
import { addAdoptCommand } from './commands/adopt-command.ts';
import { addApproveCommand, addDenyCommand } from './commands/approval-commands.ts';
import { addAgentCommand, addDemoCommand, type HostSettings } from './commands/host-commands.ts';
import { addRecoverCommand, addTestRecoveryCommand } from './commands/recovery-commands.ts';
import { addRepairCommand } from './commands/repair-command.ts';
import { addRestoreCommand } from './commands/restore-command.ts';
import { addBackupCommand, addInfoCommand, addListCommand, addVerifyCommand } from './commands/run-commands.ts';
import { addUpCommand } from './commands/up-command.ts';
import { cliFailure, failureLines } from './failure.ts';
import { createOutput } from './output.ts';

const USAGE = 2;

/** Runs one command line. Returns the exit code; what is no expected failure is thrown. */
export async function runCli(args: readonly string[], settings: HostSettings): Promise<number> {
  let exitCode = 0;
  const program = createProgram(settings, (code) => (exitCode = code));
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has told the person already; asking for help is no failure.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    const failure = cliFailure(error);
    if (failure === undefined) throw error;
    createOutput(args.includes('--json')).failure(failureLines(failure), failure);
    return failure.exitCode;
  }
}

function createProgram(settings: HostSettings, exit: (exitCode: number) => void): Command {
  const program = new Command('rstow')
    .description('Durable backup and recovery for rstmdb, as Temporal workflows')
    .exitOverride()
    .showHelpAfterError('(add --help for the options)');
  addUpCommand(program, settings);
  addAgentCommand(program, settings, exit);
  addAdoptCommand(program, settings);
  addBackupCommand(program, exit);
  addRestoreCommand(program, settings, exit);
  addVerifyCommand(program, exit);
  addTestRecoveryCommand(program, exit);
  addRecoverCommand(program, exit);
  addApproveCommand(program, exit);
  addDenyCommand(program, exit);
  addRepairCommand(program, exit);
  addListCommand(program, exit);
  addInfoCommand(program, exit);
  addDemoCommand(program, exit);
  return program;
}
